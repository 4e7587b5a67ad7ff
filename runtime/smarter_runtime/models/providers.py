"""The models of a bot by provider; connections are kept over config changes that do not concern them."""

from pathlib import Path
from typing import TYPE_CHECKING

from smarter_crds.runtime_config import ProviderConfig, ResourceName, RuntimeConfig, RuntimeProblem
from smarter_runtime.bot import DEMO
from smarter_runtime.models import Model
from smarter_runtime.models.demo import DemoModel
from smarter_runtime.models.keys import KeyFiles

if TYPE_CHECKING:
    from smarter_runtime.models.dialer import Dialer


class Providers:
    """Makes the adapter for a provider."""

    def __init__(self, secrets_directory: Path) -> None:
        self._keys = KeyFiles(secrets_directory)
        self._dialers: dict[tuple[str, ...], Dialer] = {}
        self._refusals: dict[str, str] = {}

    def model(self, config: RuntimeConfig, provider: str) -> Model:
        settings = config.providers[provider]
        if settings.type == DEMO:
            return DemoModel()
        # An HTTP client weighs 0.2 s and 8 MiB: a bot that dials nobody does without.
        from smarter_runtime.models.chat_completions import ChatCompletions

        return ChatCompletions(settings, self._dialer(settings), self._keys, self._refusals)

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        """Return what a person should know: keys that are missing or that the provider refused last."""
        dialled = [each for each in config.providers.values() if each.type != DEMO]
        keyed = [(each, self._keys.fault(each.api_key_file)) for each in dialled if each.api_key_file]
        missing = [_problem("SecretMissing", each, fault) for each, fault in keyed if fault]
        refused = [
            _problem("ProviderRefused", each, self._refusals[each.name])
            for each in dialled
            if each.name in self._refusals
        ]
        return (*missing, *refused)

    async def warm(self, config: RuntimeConfig) -> None:
        """Load what the first answer would else wait for, and let go of connections that no provider uses any more."""
        wanted = {each.allowed_cidrs for each in config.providers.values() if each.type != DEMO}
        for provider in config.providers:
            self.model(config, provider)
        for cidrs in set(self._dialers) - wanted:
            await self._dialers.pop(cidrs).retire()

    async def close(self) -> None:
        for dialer in self._dialers.values():
            await dialer.close()
        self._dialers.clear()

    def _dialer(self, settings: ProviderConfig) -> "Dialer":
        from smarter_runtime.models.dialer import Dialer

        cidrs = settings.allowed_cidrs
        if cidrs not in self._dialers:
            self._dialers[cidrs] = Dialer(cidrs)
        return self._dialers[cidrs]


def _problem(reason: str, provider: ProviderConfig, fault: str) -> RuntimeProblem:
    resource = ResourceName(kind="Provider", name=provider.name)
    return RuntimeProblem(reason=reason, message=f"Provider {provider.name!r}: {fault}", resource=resource)
