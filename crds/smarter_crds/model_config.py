"""Models in the config of a bot: where each is reached, and with which parameters."""

from typing import Any, Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.price_config import ModelPrices

LANGCHAIN_TYPES = frozenset({"Anthropic", "Google", "LangChain"})
"""Types of Providers that are reached through LangChain; the others are asked over HTTP directly."""

EffortName = Literal["None", "Minimal", "Low", "Medium", "High"]


class LangChainConfig(ApiModel):
    """What LangChain is told beyond address and key."""

    provider: str
    """As `init_chat_model` calls it, for example `bedrock_converse`."""
    options: dict[str, Any] = Field(default_factory=dict)


class ProviderConfig(ApiModel):
    """Where a model is reached, and how."""

    name: str
    """Name of the Provider resource."""
    type: str
    """Provider type of the API, for example `OpenAI`, `OpenAICompatible` or `Demo`."""
    base_url: str = ""
    """Without a trailing slash; empty for a type that dials nothing (`Demo`)."""
    api: Literal["ChatCompletions", "Responses"] = "ChatCompletions"
    api_key_file: str = ""
    """Path of the key's file below the pod's secrets folder; empty where no key is sent."""
    ca_file: str = ""
    """Path of the file with the authorities to trust, in PEM, below the pod's secrets folder; empty: the system's."""
    headers: dict[str, str] = Field(default_factory=dict)
    timeout_seconds: int = 60
    """Longest wait for the first token, and between two chunks."""
    allowed_cidrs: tuple[str, ...] = Field((), alias="allowedCIDRs")
    """Non-public networks that may be dialled all the same."""
    langchain: LangChainConfig | None = None
    """For type `LangChain`. The types in `LANGCHAIN_TYPES` are reached through it as well, with settings of ours."""
    prices: dict[str, ModelPrices] = Field(default_factory=dict)
    """What the bot's models cost, by name; those whose prices are not known are not in it."""


class ModelChoice(ApiModel):
    """A model and its parameters. `None` means: not sent to the provider."""

    provider: str
    """Key into `RuntimeConfig.providers`."""
    name: str
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    reasoning_effort: EffortName | None = None


class ModelConfig(ModelChoice):
    """Which model answers, and which ones step in for it."""

    fallbacks: tuple[ModelChoice, ...] = ()
    """Asked in this order when the one before does not answer; plugins change nothing about them."""


class ModelOverrides(ApiModel):
    """What a selected plugin changes about the model; the first selected plugin that sets a member wins."""

    provider: str | None = None
    name: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
