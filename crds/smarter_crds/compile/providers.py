"""Providers: what is wrong with one, and how it appears in a bot's config."""

import re
from collections.abc import Iterator
from typing import Literal

from smarter_crds.compile.model import References, SecretFile
from smarter_crds.compile.problems import Problem, first_message
from smarter_crds.compile.support import PROVIDER, unsupported
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import LANGCHAIN_TYPES, LangChainConfig, ProviderConfig

BASE_URLS = {
    "Cohere": "https://api.cohere.ai/compatibility/v1",
    "DeepSeek": "https://api.deepseek.com",
    "Fireworks": "https://api.fireworks.ai/inference/v1",
    "Groq": "https://api.groq.com/openai/v1",
    "Mistral": "https://api.mistral.ai/v1",
    "OpenAI": "https://api.openai.com/v1",
    "Together": "https://api.together.ai/v1",
}
"""Where the types that need no `baseUrl` are reached."""

DEMO_MODEL = "demo"
"""The one model of type `Demo`."""

IGNORED_PARAMETERS = {
    "Demo": ("temperature", "max_tokens", "top_p", "reasoning_effort"),
    # Each of LangChain's libraries has a name of its own for it: `langchain.options` is its place.
    "LangChain": ("reasoning_effort",),
}
"""Parameters of a model that a type does not heed."""

UNKNOWN_EFFORTS = {"Anthropic": ("None", "Minimal"), "Google": ("None",), "Cohere": ("Minimal", "Low", "Medium")}
"""Values of `reasoningEffort` that a type does not know."""

# Their current models take tools there only; elsewhere ChatCompletions is what every server has.
_RESPONSES_BY_DEFAULT = frozenset({"OpenAI", "AzureOpenAI"})

_IGNORED_BY_DEMO = (
    "base_url",
    "api",
    "api_key_secret",
    "ca_secret",
    "headers",
    "timeout_seconds",
    "allowed_cidrs",
    "langchain",
)

_DEFAULT_TIMEOUT_SECONDS = 60

_LANGCHAIN_MODEL = re.compile(r"[a-z][a-z0-9_]*:\S+")
# What has a field of its own, and what would lie open in the resource.
_OWN_FIELDS = {
    "model": "defaultModel",
    "base_url": "baseUrl",
    "api_key": "apiKeySecret",
    "timeout": "timeoutSeconds",
    "default_headers": "headers",
}
_FIXED = frozenset({"model_provider", "max_retries", "configurable_fields", "config_prefix", "callbacks", "cache"})
_SECRET = re.compile(r"(^|_)(api_key|key|token|secret|password|credentials)(_|$)")
_NOT_SECRET = frozenset({"max_tokens"})


def check_provider(provider: Provider) -> tuple[Problem, ...]:
    """Return why `provider` cannot be used."""
    return (*unsupported(provider.spec, PROVIDER), *_langchain_problems(provider))


def needs_langchain(provider: Provider) -> bool:
    """Whether bots that use `provider` need the runtime image with LangChain."""
    return provider.spec.type in LANGCHAIN_TYPES


def _langchain_problems(provider: Provider) -> Iterator[Problem]:
    spec = provider.spec
    if spec.type == "LangChain" and spec.ca_secret:
        yield Problem(
            "NotSupported",
            "`spec.caSecret` does not reach the libraries behind type `LangChain`; remove it, and put the authority "
            "into an image of your own (`spec.runtime.image` of the Chatbot).",
        )
    if spec.type != "LangChain" or spec.langchain is None:
        return
    if not _LANGCHAIN_MODEL.fullmatch(spec.langchain.model):
        yield Problem(
            "InvalidLangChainModel",
            f"`spec.langchain.model` {spec.langchain.model!r} is not LangChain's provider, a colon and a model; "
            "write it like `bedrock_converse:anthropic.claude-sonnet-4-6`.",
        )
    for name in sorted(spec.langchain.options or {}):
        yield from _option_problems(name)


def _option_problems(name: str) -> Iterator[Problem]:
    place = f"`spec.langchain.options.{name}`"
    if name in _OWN_FIELDS:
        yield Problem("InvalidOption", f"{place} has a field of its own; use `spec.{_OWN_FIELDS[name]}`.")
    elif name in _FIXED:
        yield Problem("InvalidOption", f"{place} cannot be chosen; remove it.")
    elif _SECRET.search(name) and name not in _NOT_SECRET:
        yield Problem(
            "InvalidOption",
            f"{place} looks like a secret, and everybody who may read the Provider would see it; use "
            "`spec.apiKeySecret`, or the identity of the pod's service account.",
        )


def provider_warnings(provider: Provider) -> Iterator[str]:
    """Yield what is set in `provider` and has no effect."""
    for name in _ignored(provider):
        if name in provider.spec.model_fields_set:
            alias = type(provider.spec).model_fields[name].alias or name
            kind = provider.spec.type
            yield f"Provider {provider.metadata.name!r}: `spec.{alias}` has no effect with type `{kind}`."


def _ignored(provider: Provider) -> tuple[str, ...]:
    if provider.spec.type == "Demo":
        return _IGNORED_BY_DEMO
    if needs_langchain(provider):
        return ("api",) if provider.spec.type == "LangChain" else ("api", "langchain")
    return ("langchain",)


def find_provider(name: str, references: References, namespace: str, place: str) -> Provider | Problem:
    """Return the usable Provider called `name`, or why there is none; `place` is the field that names it."""
    provider = references.providers.get(name)
    if provider is None:
        return Problem(
            "ProviderNotFound",
            f"Provider {name!r} is not in namespace {namespace!r}; create it, or name another in {place}.",
        )
    said = provider.message if isinstance(provider, Problem) else first_message(check_provider(provider))
    if isinstance(provider, Problem) or said:
        return Problem("ProviderNotAccepted", f"Provider {name!r}, named in {place}, is not accepted: {said}")
    return provider


def default_model(provider: Provider) -> str:
    """Return the model for bots that name none, or an empty string."""
    spec = provider.spec
    if spec.default_model:
        return spec.default_model
    if spec.type == "LangChain" and spec.langchain:
        return spec.langchain.model.partition(":")[2]
    return DEMO_MODEL if spec.type == "Demo" else ""


def provider_config(provider: Provider) -> ProviderConfig:
    """Build the config of `provider`."""
    spec, name = provider.spec, provider.metadata.name
    if spec.type == "Demo":
        return ProviderConfig(name=name, type=spec.type)
    return ProviderConfig(
        name=name,
        type=spec.type,
        base_url=(spec.base_url or BASE_URLS.get(spec.type, "")).rstrip("/"),
        api=_api(provider),
        ca_file=ca.path if (ca := _ca_file(provider)) else "",
        api_key_file=key.path if (key := _key_file(provider)) else "",
        headers={header.name: header.value for header in spec.headers},
        timeout_seconds=spec.timeout_seconds or _DEFAULT_TIMEOUT_SECONDS,
        allowed_cidrs=tuple(sorted(spec.allowed_cidrs)),
        langchain=_langchain(provider),
    )


def provider_secrets(provider: Provider) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `provider`."""
    if provider.spec.type != "Demo":
        yield from (file for file in (_key_file(provider), _ca_file(provider)) if file)


def _api(provider: Provider) -> Literal["ChatCompletions", "Responses"]:
    if provider.spec.api in ("ChatCompletions", "Responses"):
        return provider.spec.api
    return "Responses" if provider.spec.type in _RESPONSES_BY_DEFAULT else "ChatCompletions"


def _langchain(provider: Provider) -> LangChainConfig | None:
    settings = provider.spec.langchain
    if provider.spec.type != "LangChain" or settings is None:
        return None
    return LangChainConfig(provider=settings.model.partition(":")[0], options=settings.options or {})


def _key_file(provider: Provider) -> SecretFile | None:
    secret = provider.spec.api_key_secret
    return SecretFile(secret.name, secret.key, f"provider-{provider.metadata.name}") if secret else None


def _ca_file(provider: Provider) -> SecretFile | None:
    secret = provider.spec.ca_secret
    # No name of a Provider makes a key's file of it.
    return SecretFile(secret.name, secret.key, f"ca-of-provider-{provider.metadata.name}") if secret else None
