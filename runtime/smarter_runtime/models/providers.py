"""The models of a bot by provider; connections are kept over config changes that do not concern them."""

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from smarter_crds.runtime_config import LANGCHAIN_TYPES, ProviderConfig, ResourceName, RuntimeConfig, RuntimeProblem
from smarter_runtime.bot import DEMO
from smarter_runtime.events import Event, ModelFailed
from smarter_runtime.models import Model, ModelRequest
from smarter_runtime.models.demo import DemoModel
from smarter_runtime.models.keys import KeyFiles
from smarter_runtime.models.lessons import Lessons

if TYPE_CHECKING:
    from smarter_runtime.models.dialer import Dialer
    from smarter_runtime.models.langchain.build import ChatModels

_Trust = tuple[tuple[str, ...], str]
"""The networks that may be dialled, and the file with the authorities: what must be equal to share connections."""


class Providers:
    """Makes the adapter for a provider."""

    def __init__(self, secrets_directory: Path) -> None:
        self._keys = KeyFiles(secrets_directory)
        self._dialers: dict[_Trust, tuple[str, Dialer]] = {}
        self._lessons = Lessons()
        self._chat_models: ChatModels | None = None

    def model(self, config: RuntimeConfig, provider: str) -> Model:
        settings = config.providers[provider]
        if settings.type == DEMO:
            return DemoModel()
        if settings.type in LANGCHAIN_TYPES:
            return self._langchain(settings)
        # An HTTP client weighs 0.2 s and 8 MiB: a bot that dials nobody does without.
        from smarter_runtime.models.http_model import HttpModel

        return HttpModel(settings, partial(self._dialer, settings), self._keys, self._lessons)

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        """Return what a person should know: keys that are missing or that the provider refused last."""
        dialled = [each for each in config.providers.values() if each.type != DEMO]
        needed = [(each, file) for each in dialled for file in (each.api_key_file, each.ca_file) if file]
        keyed = [(each, self._keys.fault(file)) for each, file in needed]
        missing = [_problem("SecretMissing", each, fault) for each, fault in keyed if fault]
        refused = [
            _problem("ProviderRefused", each, self._lessons.refusals[each.name])
            for each in dialled
            if each.name in self._lessons.refusals
        ]
        return (*missing, *refused)

    async def warm(self, config: RuntimeConfig) -> None:
        """Load what the first answer would else wait for, and let go of connections that no provider uses any more."""
        dialled = (each for each in config.providers.values() if each.type not in {DEMO, *LANGCHAIN_TYPES})
        wanted = {_trust(each) for each in dialled}
        for provider in config.providers:
            if isinstance(model := self.model(config, provider), Preparing):
                model.prepare(config.model.name)
        for trust in set(self._dialers) - wanted:
            await self._dialers.pop(trust)[1].retire()

    async def close(self) -> None:
        for _, dialer in self._dialers.values():
            await dialer.close()
        self._dialers.clear()

    def _langchain(self, settings: ProviderConfig) -> Model:
        try:
            # A second and 50 MiB: for bots that need it, and only where the image has it.
            from smarter_runtime.models.langchain.build import ChatModels
            from smarter_runtime.models.langchain.model import LangChainModel
        except ImportError:
            self._lessons.refusals[settings.name] = (
                f"type `{settings.type}` needs LangChain, which this runtime lacks; use the image `runtime-langchain`, "
                "or install `smarter-runtime[langchain]`."
            )
            return MissingModel()
        self._chat_models = self._chat_models or ChatModels()
        return LangChainModel(settings, self._chat_models, partial(self._secrets, settings), self._lessons)

    def _secrets(self, settings: ProviderConfig) -> tuple[str, str]:
        key = self._keys.key(settings.api_key_file) if settings.api_key_file else ""
        return key, self._keys.authorities(settings.ca_file)

    async def _dialer(self, settings: ProviderConfig) -> "Dialer":
        from smarter_runtime.models.dialer import Dialer

        authorities, trust = self._keys.authorities(settings.ca_file), _trust(settings)
        old = self._dialers.get(trust)
        if old and old[0] == authorities:
            return old[1]
        try:
            dialer = Dialer(settings.allowed_cidrs, authorities)
        except ValueError as error:
            self._lessons.refusals[settings.name] = f"the file `{settings.ca_file}` holds no certificates in PEM."
            raise ModelFailed("key_missing", "This chatbot cannot verify its model provider.") from error
        self._dialers[trust] = (authorities, dialer)
        if old:
            await old[1].retire()
        return dialer


@runtime_checkable
class Preparing(Protocol):
    """A model that can make itself ready before it is asked."""

    def prepare(self, model: str) -> None: ...


class MissingModel:
    """Stands for a model that this runtime has no library for."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        raise ModelFailed("rejected", "This chatbot's model is not available.", detail="no LangChain")
        yield  # what makes it a generator


def _trust(settings: ProviderConfig) -> _Trust:
    return settings.allowed_cidrs, settings.ca_file


def _problem(reason: str, provider: ProviderConfig, fault: str) -> RuntimeProblem:
    resource = ResourceName(kind="Provider", name=provider.name)
    return RuntimeProblem(reason=reason, message=f"Provider {provider.name!r}: {fault}", resource=resource)
