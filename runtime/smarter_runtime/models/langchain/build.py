"""Makes LangChain's chat models, and keeps those that were used last."""

import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import ModelFailed
from smarter_runtime.models import Parameters
from smarter_runtime.models.failures import failed
from smarter_runtime.models.langchain.vendors import vendor

KEPT = 32
"""Chat models that are kept; each set of parameters needs one of its own."""

_Key = tuple[str, str, str, str]


class ChatModels:
    """The chat models of one process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, BaseChatModel] = OrderedDict()

    def get(self, provider: ProviderConfig, parameters: Parameters, key: str, authorities: str) -> BaseChatModel:
        """Return the chat model of `provider` with `parameters`.

        Raises:
            ModelFailed: when the image has no library for it, or the library refuses an argument; the detail says why.
        """
        arguments = _arguments(provider, parameters)
        known = (provider.model_dump_json(), repr(sorted(arguments.items(), key=str)), key, authorities)
        if known not in self._kept:
            self._kept[known] = _made(provider, parameters.model, arguments, key, authorities)
        self._kept.move_to_end(known)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[known]


def _made(
    provider: ProviderConfig, model: str, arguments: Mapping[str, Any], key: str, authorities: str
) -> BaseChatModel:
    of = vendor(provider)
    everything = {**arguments, **_trust(of.name, authorities), **({"api_key": key} if key else {})}
    try:
        made: BaseChatModel = _maker(of.name)(model=model, **everything)
    except ImportError as error:
        detail = f"this image has no LangChain package for {of.name!r}"
        raise _unusable(detail) from error
    except Exception as error:
        # The text of a validation error quotes what it refuses, and that may be the key.
        detail = f"LangChain's {of.name!r} does not take these settings ({type(error).__name__})"
        raise _unusable(detail) from error
    return made


def _maker(name: str) -> Callable[..., BaseChatModel]:
    if name != "anthropic":
        return partial(init_chat_model, model_provider=name)
    from smarter_runtime.models.langchain.anthropic import TrustingChatAnthropic

    return TrustingChatAnthropic


def _unusable(detail: str) -> ModelFailed:
    return failed("rejected", detail)


def _arguments(provider: ProviderConfig, parameters: Parameters) -> dict[str, Any]:
    of = vendor(provider)
    given: dict[str, Any] = {
        "temperature": parameters.temperature,
        "max_tokens": parameters.max_tokens,
        "top_p": parameters.top_p,
        "reasoning_effort": parameters.reasoning_effort,
        "seed": parameters.seed if of.name == "google_genai" else None,
        "base_url": provider.base_url or None,
        **_headers(of.name, provider.headers),
    }
    said = {name: value for name, value in given.items() if value is not None}
    options = dict(provider.langchain.options) if provider.langchain else {}
    # Attempts are counted by us, over all models of an answer.
    return {**of.settings, **options, **said, "max_retries": _no_retry(of.name), "timeout": provider.timeout_seconds}


def _no_retry(name: str) -> int:
    # There it is the number of attempts, and zero means the library's own.
    return 1 if name in ("google_genai", "bedrock_converse", "bedrock") else 0


def _headers(name: str, headers: Mapping[str, str]) -> dict[str, Any]:
    if not headers:
        return {}
    return {"additional_headers" if name == "google_genai" else "default_headers": dict(headers)}


def _trust(name: str, authorities: str) -> dict[str, Any]:
    """Return what makes the library trust `authorities`; the compiler refuses them where there is no way."""
    if not authorities:
        return {}
    context = ssl.create_default_context(cadata=authorities)
    if name == "google_genai":
        return {"client_args": {"verify": context, "ssl": context}}
    return {"trust": context}
