"""Providers: what is wrong with one, and how it appears in a bot's config."""

from collections.abc import Iterator
from typing import Literal

from smarter_crds.compile.model import References, SecretFile
from smarter_crds.compile.problems import Problem, first_message
from smarter_crds.compile.support import PROVIDER, unsupported
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import ProviderConfig

BASE_URLS = {
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

IGNORED_PARAMETERS = {"Demo": ("temperature", "max_tokens", "top_p", "reasoning_effort")}
"""Parameters of a model that a type does not heed."""

# Their current models take tools there only; elsewhere ChatCompletions is what every server has.
_RESPONSES_BY_DEFAULT = frozenset({"OpenAI", "AzureOpenAI"})

_IGNORED_BY_DEMO = ("base_url", "api", "api_key_secret", "ca_secret", "headers", "timeout_seconds", "allowed_cidrs")

_DEFAULT_TIMEOUT_SECONDS = 60


def check_provider(provider: Provider) -> tuple[Problem, ...]:
    """Return why `provider` cannot be used."""
    return unsupported(provider.spec, PROVIDER)


def provider_warnings(provider: Provider) -> Iterator[str]:
    """Yield what is set in `provider` and has no effect."""
    if provider.spec.type != "Demo":
        return
    for name in _IGNORED_BY_DEMO:
        if name in provider.spec.model_fields_set:
            alias = type(provider.spec).model_fields[name].alias
            yield f"Provider {provider.metadata.name!r}: `spec.{alias}` has no effect with type `Demo`."


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
    return provider.spec.default_model or (DEMO_MODEL if provider.spec.type == "Demo" else "")


def provider_config(provider: Provider) -> ProviderConfig:
    """Build the config of `provider`."""
    spec, name = provider.spec, provider.metadata.name
    if spec.type == "Demo":
        return ProviderConfig(name=name, type=spec.type)
    return ProviderConfig(
        name=name,
        type=spec.type,
        base_url=(spec.base_url or BASE_URLS[spec.type]).rstrip("/"),
        api=_api(provider),
        ca_file=_ca_file(provider) if spec.ca_secret else "",
        api_key_file=_key_file(provider) if spec.api_key_secret else "",
        headers={header.name: header.value for header in spec.headers},
        timeout_seconds=spec.timeout_seconds or _DEFAULT_TIMEOUT_SECONDS,
        allowed_cidrs=tuple(sorted(spec.allowed_cidrs)),
    )


def provider_secrets(provider: Provider) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `provider`."""
    spec = provider.spec
    if spec.type == "Demo":
        return
    if spec.api_key_secret:
        yield SecretFile(spec.api_key_secret.name, spec.api_key_secret.key, _key_file(provider))
    if spec.ca_secret:
        yield SecretFile(spec.ca_secret.name, spec.ca_secret.key, _ca_file(provider))


def _api(provider: Provider) -> Literal["ChatCompletions", "Responses"]:
    if provider.spec.api in ("ChatCompletions", "Responses"):
        return provider.spec.api
    return "Responses" if provider.spec.type in _RESPONSES_BY_DEFAULT else "ChatCompletions"


def _key_file(provider: Provider) -> str:
    return f"provider-{provider.metadata.name}"


def _ca_file(provider: Provider) -> str:
    # No name of a Provider makes a key's file of it.
    return f"ca-of-provider-{provider.metadata.name}"
