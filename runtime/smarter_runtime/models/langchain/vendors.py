"""How the providers behind LangChain differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smarter_crds.runtime_config import ProviderConfig


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
    says_why_it_ends: bool = False
    """Whether an answer without a reason for its end was cut."""


_ANTHROPIC = Vendor(
    name="anthropic",
    base_url="https://api.anthropic.com",
    # Prompt caching has to be asked for: all up to the last message is looked up, and remembered for five minutes.
    asked_with={"cache_control": {"type": "ephemeral"}},
    no_tools={"tool_choice": {"type": "none"}},
    says_why_it_ends=True,
)
_GOOGLE = Vendor(
    name="google_genai",
    base_url="https://generativelanguage.googleapis.com",
    # Unset, the library would send a temperature of its own.
    settings={"temperature": None, "vertexai": False},
    no_tools={"tool_choice": "none"},
    says_why_it_ends=True,
)
_OPENAI = {"stream_usage": True}
_BY_TYPE: Mapping[str, Vendor] = {"Anthropic": _ANTHROPIC, "Google": _GOOGLE}
_BY_NAME: Mapping[str, Vendor] = {
    "anthropic": _ANTHROPIC,
    "google_genai": _GOOGLE,
    # Else no usage comes in streams as soon as the address is not OpenAI's own.
    "openai": Vendor(name="openai", settings=_OPENAI, no_tools={"tool_choice": "none"}),
    "azure_openai": Vendor(name="azure_openai", settings=_OPENAI, no_tools={"tool_choice": "none"}),
    "bedrock_converse": Vendor(name="bedrock_converse", says_why_it_ends=True),
}


def vendor(provider: ProviderConfig) -> Vendor:
    if provider.langchain is None:
        return _BY_TYPE[provider.type]
    name = provider.langchain.provider
    return _BY_NAME.get(name) or Vendor(name=name)
