"""How the providers behind LangChain differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.models import JsonFormat


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What one provider wants of LangChain."""

    name: str
    """As `init_chat_model` calls it."""
    base_url: str = ""
    """Where it is reached if nothing else is said; empty where the library knows, and we do not."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of every model."""
    asked_with: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of every request."""
    no_tools: Mapping[str, Any] = field(default_factory=dict)
    """What forbids the model to call the tools that are in the request; nothing where that cannot be said."""
    parallel: bool = False
    """Whether it can be told to call one tool at a time."""
    json: Callable[[JsonFormat], Mapping[str, Any] | None] = lambda wanted: None
    """What asks for an answer in JSON; None where that cannot be asked for."""
    says_why_it_ends: bool = False
    """Whether an answer without a reason for its end was cut."""


def _anthropic_json(wanted: JsonFormat) -> Mapping[str, Any] | None:
    # It knows schemas only, and refuses objects that do not say that they are closed.
    if wanted.schema is None:
        return None
    return {"output_config": {"format": {"type": "json_schema", "schema": dict(wanted.schema)}}}


def _google_json(wanted: JsonFormat) -> Mapping[str, Any]:
    schema = {"response_json_schema": dict(wanted.schema)} if wanted.schema is not None else {}
    return {"response_mime_type": "application/json", **schema}


def _openai_json(wanted: JsonFormat) -> Mapping[str, Any]:
    kind = (
        {"type": "json_object"} if wanted.schema is None else {"type": "json_schema", "json_schema": wanted.members()}
    )
    return {"response_format": kind}


_ANTHROPIC = Vendor(
    name="anthropic",
    base_url="https://api.anthropic.com",
    # Prompt caching has to be asked for: all up to the last message is looked up, and remembered for five minutes.
    asked_with={"cache_control": {"type": "ephemeral"}},
    no_tools={"tool_choice": {"type": "none"}},
    parallel=True,
    json=_anthropic_json,
    says_why_it_ends=True,
)
_GOOGLE = Vendor(
    name="google_genai",
    base_url="https://generativelanguage.googleapis.com",
    # Unset, the library would send a temperature of its own.
    settings={"temperature": None, "vertexai": False},
    no_tools={"tool_choice": "none"},
    json=_google_json,
    says_why_it_ends=True,
)
_OPENAI = Vendor(
    name="openai",
    # Else no usage comes in streams as soon as the address is not OpenAI's own.
    settings={"stream_usage": True},
    no_tools={"tool_choice": "none"},
    parallel=True,
    json=_openai_json,
)
_BY_TYPE: Mapping[str, Vendor] = {"Anthropic": _ANTHROPIC, "Google": _GOOGLE}
_BY_NAME: Mapping[str, Vendor] = {
    "anthropic": _ANTHROPIC,
    "google_genai": _GOOGLE,
    "openai": _OPENAI,
    "azure_openai": replace(_OPENAI, name="azure_openai"),
    "bedrock_converse": Vendor(name="bedrock_converse", says_why_it_ends=True),
}


def vendor(provider: ProviderConfig) -> Vendor:
    if provider.langchain is None:
        return _BY_TYPE[provider.type]
    name = provider.langchain.provider
    return _BY_NAME.get(name) or Vendor(name=name)
