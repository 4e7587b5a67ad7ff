"""The contract between operator and runtime: all that a pod needs to serve its bot, except the Secrets' values.

The operator writes it to a ConfigMap, the runtime reads the mounted file. Readers ignore fields they do not know;
`schemaVersion` rises when a reader that ignores a field would do harm.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from smarter_crds.access_config import AccessConfig, OriginsConfig
from smarter_crds.api_config import ApiConfig, ApiConnectionConfig
from smarter_crds.base import ApiModel
from smarter_crds.limits import Budget, LimitMode
from smarter_crds.price_config import ModelPrices
from smarter_crds.sql_config import SqlConfig, SqlConnectionConfig
from smarter_crds.store_config import StoreConfig
from smarter_crds.tool_config import ParameterConfig, unused_members

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

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""Most bytes of a config before compression; a reader refuses to unfold more."""

_PACK_LEVEL = 6
_PACKED_AT_ONCE = 2**18
_GZIP = 31

LANGCHAIN_TYPES = frozenset({"Anthropic", "Google", "LangChain"})
"""Types of Providers that are reached through LangChain; the others are asked over HTTP directly."""

DirectiveName = Literal["Always", "SearchTerms", "Llm"]
MatchName = Literal["Words", "Substring"]
EffortName = Literal["None", "Minimal", "Low", "Medium", "High"]
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


class SelectorConfig(ApiModel):
    """When a plugin takes part in a turn."""

    directive: DirectiveName
    search_terms: tuple[str, ...] = ()
    match: MatchName = "Words"


class StaticConfig(ApiModel):
    """A static plugin's data: the tool returns `data[inquiry_type]`."""

    data: dict[str, Any]


class PluginConfig(ApiModel):
    """One plugin; its name is its tool's name."""

    name: str
    type: Literal["Static", "Sql", "Api"]
    hash: str
    description: str
    selector: SelectorConfig
    system_role: str = ""
    model: ModelOverrides = ModelOverrides()
    result_max_characters: int = 16000
    static: StaticConfig | None = None
    api: ApiConfig | None = None
    sql: SqlConfig | None = None
    parameters: tuple[ParameterConfig, ...] = ()
    """What the tool is given, by the model or by a claim; a Static plugin's one parameter is not among them."""
    side_effects: Literal["None", "Write"] = "None"
    """`Write`: a call changes something, so it is never repeated."""
    confirm: Literal["Never", "Visitor"] = "Never"
    """`Visitor`: the person confirms a call with its arguments before it is made."""


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


class ResourceName(ApiModel):
    """A resource of the bot's namespace."""

    kind: str
    name: str


class RuntimeProblem(ApiModel):
    """Something in the pod that a person should know, such as a missing Secret key or a config that does not load."""

    reason: str
    message: str
    resource: ResourceName | None = None
    """The Provider, connection or Store that the problem is with; None: the bot itself."""


class RuntimeStatus(ApiModel):
    """What `GET :9090/status` of a pod answers."""

    pod_uid: str
    """UID of the pod (downward API), for addresses are reused."""
    config_hash: str
    """Hash of the config in service, not of the file that was read last."""
    loaded_at: datetime
    keys: int = 0
    """Number of ApiKeys that open the bot, whether they are valid at this moment or not."""
    keys_hash: str | None = None
    """Hash of the file with the keys, empty where there is none; None: this runtime knows no keys."""
    problems: tuple[RuntimeProblem, ...] = ()


def to_json(config: RuntimeConfig) -> bytes:
    """Return the canonical JSON of `config`: sorted keys, no blanks, unset optional members left out, UTF-8."""
    document = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    # What a bot does not use leaves its hash as it was before there was such a thing.
    for name in _UNUSED:
        if getattr(config, name) == RuntimeConfig.model_fields[name].get_default(call_default_factory=True):
            del document[RuntimeConfig.model_fields[name].alias or name]
    if "access" in document and not config.access.challenge_bits:
        del document["access"]["challengeBits"]
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


def config_hash(document: bytes) -> str:
    """Return the hash by which operator and runtime name a config: SHA-256 of its JSON, 64 hex digits."""
    return hashlib.sha256(document).hexdigest()


def pack(document: bytes) -> bytes:
    """Compress for the ConfigMap; the same input gives the same bytes."""
    return gzip.compress(document, compresslevel=_PACK_LEVEL, mtime=0)


def packed_size(document: bytes, at_most: int) -> int | None:
    """Return how many bytes `pack` makes of `document`; None as soon as they are known to be more than `at_most`."""
    packer, size = zlib.compressobj(_PACK_LEVEL, wbits=_GZIP), 0
    for start in range(0, len(document), _PACKED_AT_ONCE):
        size += len(packer.compress(document[start : start + _PACKED_AT_ONCE]))
        if size > at_most:
            return None
    size += len(packer.flush())
    return size if size <= at_most else None


def unpack(packed: bytes, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Decompress what `pack` made.

    Raises:
        ValueError: when it is no gzip data, is cut, or unfolds to more than `max_bytes`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            document = stream.read(max_bytes + 1)
    except (OSError, EOFError) as error:
        raise ValueError(f"the config is not gzip data: {error}") from error
    if len(document) > max_bytes:
        raise ValueError(f"the config unfolds to more than {max_bytes} bytes")
    return document
