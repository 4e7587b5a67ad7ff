"""The contract between operator and runtime: all that a pod needs to serve its bot, except the Secrets' values.

The operator writes it to a ConfigMap, the runtime reads the mounted file. Readers ignore fields they do not know;
`schemaVersion` rises when a reader that ignores a field would do harm.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from smarter_crds.access_config import AccessConfig, OriginsConfig
from smarter_crds.api_config import ApiConnectionConfig
from smarter_crds.base import ApiModel
from smarter_crds.limits import Budget, LimitMode
from smarter_crds.model_config import (
    LANGCHAIN_TYPES,
    EffortName,
    LangChainConfig,
    ModelChoice,
    ModelConfig,
    ModelOverrides,
    ProviderConfig,
)
from smarter_crds.packing import MAX_DOCUMENT_BYTES, config_hash, pack, packed_size, unpack
from smarter_crds.plugin_config import DirectiveName, MatchName, PluginConfig, SelectorConfig, StaticConfig
from smarter_crds.runtime_status import ResourceName, RuntimeProblem, RuntimeStatus
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_crds.store_config import StoreConfig
from smarter_crds.tool_config import unused_members

__all__ = [
    "API_PORT",
    "CONFIG_DIRECTORY",
    "CONFIG_KEY",
    "DATA_DIRECTORY",
    "FUNCTION_TOOLS",
    "GOOD_CONFIG_KEY",
    "LANGCHAIN_TYPES",
    "MAX_DOCUMENT_BYTES",
    "SCHEMA_VERSION",
    "SECRETS_DIRECTORY",
    "STATUS_PORT",
    "AppConfig",
    "BotIdentity",
    "ConversationsConfig",
    "DirectiveName",
    "EffortName",
    "FunctionName",
    "LangChainConfig",
    "LimitsConfig",
    "MaintenanceConfig",
    "MatchName",
    "ModelChoice",
    "ModelConfig",
    "ModelOverrides",
    "PluginConfig",
    "ProviderConfig",
    "ResourceName",
    "RuntimeConfig",
    "RuntimeProblem",
    "RuntimeStatus",
    "SelectorConfig",
    "ServingConfig",
    "StaticConfig",
    "ThemeConfig",
    "config_hash",
    "pack",
    "packed_size",
    "to_json",
    "unpack",
]

SCHEMA_VERSION = 4
"""The newest that a reader of this release understands: since 2, `access` says who may call the bot, since 3, `budget`
what it may spend, since 4, `access.challengeBits` what a session costs."""

CONFIG_KEY = "config"
"""Key in the ConfigMap's `binaryData`, and file name in the pod, of the gzip-compressed JSON to serve."""

GOOD_CONFIG_KEY = "good"
"""Key of the last config that a pod confirmed; what a pod starts with when `config` is broken."""

API_PORT = 8080
"""Port of the chat API, the chat page, `/livez` and `/readyz` in the pod."""

STATUS_PORT = 9090
"""Port of `/metrics`, `/status`, `/usage` and `/conversations` in the pod; not reachable from outside the cluster."""

CONFIG_DIRECTORY = "/etc/smarter/config"
"""Where the pod mounts the ConfigMap."""

SECRETS_DIRECTORY = "/etc/smarter/secrets"
"""Where the pod mounts the Secrets it needs; `apiKeyFile` is relative to it."""

DATA_DIRECTORY = "/var/lib/smarter"
"""Where the pod keeps conversations and usage of a bot without a Store; it outlives the container, not the pod."""

FunctionName = Literal["DateCalculator", "Calculator", "CurrentWeather"]

FUNCTION_TOOLS: Mapping[FunctionName, str] = {
    "DateCalculator": "date_calculator",
    "Calculator": "calculator",
    "CurrentWeather": "get_current_weather",
}
"""The name of each built-in function's tool, as the model calls it."""


class BotIdentity(ApiModel):
    """Which Chatbot this is."""

    name: str = Field(description="Name of the Chatbot.")
    namespace: str = Field(description="Its namespace.")
    uid: str = Field(description="Its UID: a Chatbot that is made again has another.")


class LimitsConfig(ApiModel):
    """Bounds of one bot. `None` means: not limited."""

    tokens_per_day: int | None = None
    """Tokens in and out of the whole bot per day (UTC)."""
    requests_per_minute: int | None = None
    """Requests to the whole bot."""
    requests_per_minute_per_client: int | None = None
    """Requests of one client: of a key or a visitor, and of the network that it comes from."""
    concurrent_per_client: int | None = None
    """Answers that one client may be getting at the same time."""
    mode: LimitMode = "Enforce"
    """Whether what is above one of those is refused, or only counted."""
    max_prompt_characters: int = 8000
    """Longest single user message, in characters."""
    max_tool_calls_per_turn: int = 8
    max_selected_plugins: int = 8
    max_answer_seconds: int = 300


class ServingConfig(ApiModel):
    """What the platform has chosen about serving, the same for all bots."""

    trusted_proxies: tuple[str, ...] = ()
    """Networks whose hosts may say, by `X-Forwarded-For`, on whose behalf they ask."""
    sessions_per_minute: int = 60
    """Sessions for visitors from one network."""
    max_streams: int = 200
    """Answers being made in one pod at the same time."""


class ThemeConfig(ApiModel):
    """Colours of the chat page."""

    primary_color: str = ""
    color_scheme: Literal["Auto", "Light", "Dark"] = "Auto"


class AppConfig(ApiModel):
    """The skin of the chat page. Empty strings mean: not shown."""

    title: str
    assistant_name: str
    welcome_message: str = ""
    example_prompts: tuple[str, ...] = ()
    placeholder: str = ""
    info_url: str = ""
    logo_url: str = ""
    background_image_url: str = ""
    disclosure: str
    file_attachment: bool = False
    """Whether visitors may attach text files."""
    theme: ThemeConfig = ThemeConfig()


class ConversationsConfig(ApiModel):
    """What holds for conversations that the server keeps."""

    retention_days: int = 30
    """Days after its last message until a conversation is erased."""


class MaintenanceConfig(ApiModel):
    """What a bot says that is away for a while."""

    message: str


class RuntimeConfig(ApiModel):
    """Everything one bot's runtime serves."""

    schema_version: int = 1
    """The oldest reader that does no harm with this config."""
    bot: BotIdentity
    description: str = ""
    language: str
    time_zone: str
    system_prompt: str
    model: ModelConfig
    providers: dict[str, ProviderConfig]
    plugins: tuple[PluginConfig, ...] = ()
    """In the order of the Chatbot's spec: the earlier wins."""
    sql_connections: dict[str, SqlConnectionConfig] = Field(default_factory=dict)
    functions: tuple[FunctionName, ...] = ()
    """Built-in tools, offered every turn."""
    api_connections: dict[str, ApiConnectionConfig] = Field(default_factory=dict)
    app: AppConfig
    hosts: tuple[str, ...] = ()
    """Host names under which the bot is reachable from outside."""
    access: AccessConfig = AccessConfig()
    origins: OriginsConfig = OriginsConfig()
    limits: LimitsConfig
    budget: Budget | None = None
    """What the bot may spend; None: as much as it can."""
    serving: ServingConfig = ServingConfig()
    store: StoreConfig | None = None
    """Where limits, budgets, conversations and usage are kept; None: in the pod."""
    conversations: ConversationsConfig = ConversationsConfig()
    status_tokens: tuple[str, ...] = ()
    """SHA-256 of each token that opens `/usage` and `/conversations` at the status port, 64 hex digits."""
    maintenance: MaintenanceConfig | None = None
    """Set while the bot is away: page and API say so, and no model is asked."""


def to_json(config: RuntimeConfig) -> bytes:
    """Return the canonical JSON of `config`: sorted keys, no blanks, unset optional members left out, UTF-8."""
    document = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    # What a bot does not use leaves its hash as it was before there was such a thing.
    for name in _UNUSED:
        if getattr(config, name) == RuntimeConfig.model_fields[name].get_default(call_default_factory=True):
            del document[RuntimeConfig.model_fields[name].alias or name]
    _settle_page(document, config)
    if config.limits.mode == "Enforce":
        del document["limits"]["mode"]
    if not config.model.fallbacks:
        del document["model"]["fallbacks"]
    for name, provider in config.providers.items():
        _settle_provider(document["providers"][name], provider)
    for written, plugin in zip(document["plugins"], config.plugins, strict=True):
        _tidy(written, plugin)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


_UNUSED = (
    "functions",
    "api_connections",
    "sql_connections",
    "access",
    "origins",
    "serving",
    "conversations",
    "status_tokens",
)


def _settle_page(document: dict[str, Any], config: RuntimeConfig) -> None:
    if "access" in document and not config.access.challenge_bits:
        del document["access"]["challengeBits"]
    if not config.app.file_attachment:
        del document["app"]["fileAttachment"]


def _tidy(written: dict[str, Any], plugin: PluginConfig) -> None:
    # Free-form data may hold nulls that mean something.
    if plugin.static is not None:
        written["static"] = {"data": plugin.static.data}
    if plugin.api is not None and plugin.api.body is not None:
        written["api"]["body"] = plugin.api.body
    for name in unused_members(written):
        del written[name]


def _settle_provider(written: dict[str, Any], provider: ProviderConfig) -> None:
    for name in ("caFile", "prices"):
        if not written[name]:
            del written[name]
    # The options are free-form like the data of a static plugin.
    if provider.langchain is not None:
        written["langchain"]["options"] = provider.langchain.options
