"""What goes into compile and what comes out of it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from smarter_crds.access_config import MAX_CHALLENGE_BITS
from smarter_crds.api_connection import ApiConnection
from smarter_crds.base import ApiModel
from smarter_crds.chatbot import RetentionDays, State
from smarter_crds.chatbot_status import BotPluginStatus, ChatbotDefaults
from smarter_crds.compile.allowed import Allowed
from smarter_crds.compile.prices import PriceTable
from smarter_crds.compile.problems import Problem
from smarter_crds.exposure import CertificateMode, ExposureType, GatewayRef, IssuerRef
from smarter_crds.fields import Cidr, Host, ObjectName, SetOf, Sha256
from smarter_crds.limits import AnswerSeconds, Characters, Concurrent, Requests, SelectedPlugins, Tokens, ToolCalls
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import RuntimeConfig
from smarter_crds.sql_connection import SqlConnection
from smarter_crds.store import Store
from smarter_crds.workload import Resources

_MAX_USE = 200
"""Characters of a use that stay in the file's name; names of resources may have 253, and a file's name 255."""


class PlatformLimits(ApiModel):
    """Limits of a bot that sets none itself."""

    tokens_per_day: Tokens | None = None
    """Tokens in and out per day (UTC); None: every Public bot must set its own."""
    requests_per_minute: Requests | None = None
    """Of a whole bot; None: not limited, like the next two."""
    requests_per_minute_per_client: Requests | None = None
    concurrent_per_client: Concurrent | None = None
    max_prompt_characters: Characters = 8000
    max_tool_calls_per_turn: ToolCalls = 8
    max_selected_plugins: SelectedPlugins = 8
    max_answer_seconds: AnswerSeconds = 300


class Platform(ApiModel):
    """What the platform team has chosen for all bots."""

    base_domain: Host | Literal[""] = ""
    """Domain below which every bot has its default host `<name>-<namespace>.<baseDomain>`; empty: there are none."""
    base_domain_tls: Literal["Wildcard", "Issuer"] = "Wildcard"
    """Where certificates of default hosts come from, for bots that have an issuer: from the Ingress controller, which
    has one for all of them, or each is issued its own."""
    language: str = "en"
    time_zone: str = "UTC"
    ingress_class_name: str = ""
    """IngressClass of bots that name none; empty: the cluster's default class."""
    issuer_ref: IssuerRef | None = None
    """Issuer of certificates for bots that name none; None: such bots get no certificates."""
    tls_mode: Literal["External", "Disabled"] = "Disabled"
    """How bots are reached for which there is no issuer: TLS ends in front of the cluster, or there is none."""
    limits: PlatformLimits = PlatformLimits()
    resources: Resources = Resources(requests={"cpu": "50m", "memory": "128Mi"}, limits={"memory": "256Mi"})
    image_pull_secrets: tuple[ObjectName, ...] = ()
    """Secrets, in the namespace of each bot, for pulling the runtime's image of bots that name none."""
    conversation_retention_days: RetentionDays = 30
    """Days after its last message until a conversation is erased, of bots that say nothing about it."""
    status_tokens: tuple[Sha256, ...] = ()
    """SHA-256 of the tokens that open `/usage` and `/conversations` at the status port of every bot's pods."""
    target_in_flight: int = Field(8, ge=1, le=10_000)
    """Answers under way per pod at which a bot with autoscaling that sets no target gets another pod."""
    trusted_proxies: SetOf[Cidr] = ()
    """Networks of the Ingress controllers and load balancers, whose `X-Forwarded-For` is believed."""
    sessions_per_minute: Requests = 60
    """Sessions for visitors from one network, of each bot."""
    challenge_bits: int = Field(18, ge=8, le=MAX_CHALLENGE_BITS)
    """Zero bits that a proof of work begins with, for bots that ask for one; one more doubles the work. 18 bits take a
    browser a fraction of a second, and an old phone some seconds."""
    max_streams: Requests = 200
    """Answers being made in one pod at the same time."""
    embedded_budgets: bool = False
    """Whether a budget may be counted in the pod, which forgets it: for a bot that is tried on somebody's machine."""
    allowed: Allowed = Allowed()
    """What users may add to pods and routes."""
    langchain_image: str = ""
    """Image of the runtime with LangChain; empty: no bot can use a Provider that needs it."""
    max_config_bytes: int = Field(1_000_000, ge=1)
    """Most bytes that a bot's ConfigMap may hold: the compressed config, and the last good one beside it."""


@dataclass(frozen=True, kw_only=True)
class References:
    """What a Chatbot may refer to in its namespace, by name; what is missing does not exist.

    A Problem stands for an object that exists and cannot be read.
    """

    plugins: Mapping[str, Plugin | Problem] = field(default_factory=dict)
    providers: Mapping[str, Provider | Problem] = field(default_factory=dict)
    sql_connections: Mapping[str, SqlConnection | Problem] = field(default_factory=dict)
    api_connections: Mapping[str, ApiConnection | Problem] = field(default_factory=dict)
    stores: Mapping[str, Store | Problem] = field(default_factory=dict)
    prices: PriceTable = field(default_factory=PriceTable)
    """Prices of models; by default none is known."""
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The texts, by key, of the ConfigMaps that are labelled `smarter.sh/watch=true`."""
    read_data: Callable[[str], object] = json.loads
    """Reads data that is kept as text; raises a ValueError that says what is wrong with it."""
    good_config_bytes: int = 0
    """Size of the compressed config that pods have confirmed last."""


@dataclass(frozen=True)
class SecretFile:
    """A key of a Secret that the pod needs as a file."""

    secret_name: str
    key: str
    use: str
    """What for, in characters that the name of a file may have."""

    @property
    def path(self) -> str:
        """The path below the runtime's secrets folder, which the config names.

        It differs for another Secret, key or use, so that a pod with the file of before never takes it for the new one.
        """
        said = "\0".join((self.secret_name, self.key, self.use))
        return f"{self.use[:_MAX_USE]}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, kw_only=True)
class Autoscaling:
    """Between which numbers of pods, and by how many answers under way per pod, the load decides."""

    min_replicas: int
    max_replicas: int
    target_in_flight: int


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What holds for the bot's children once the platform has filled in what the spec leaves open."""

    state: State
    replicas: int
    """Number of pods; with autoscaling the fewest."""
    resources: Resources
    exposure_type: ExposureType
    hosts: tuple[str, ...]
    """The default host first, then those of the spec; empty if the bot is not exposed."""
    url: str
    """Where the bot is reached; empty if it is not exposed."""
    class_name: str
    """IngressClass; empty: the cluster's default class."""
    tls_mode: CertificateMode
    certified_hosts: tuple[str, ...]
    """The hosts with a certificate of their own, from `issuer_ref`."""
    issuer_ref: IssuerRef | None
    """Set if, and only if, `tls_mode` is `Issuer` and an issuer is known."""
    gateway_ref: GatewayRef | None
    """Set if, and only if, `exposure_type` is `HTTPRoute`."""
    tls_secret: str = ""
    """The Secret with a certificate of the user's own; empty: none is named."""
    secret_hosts: tuple[str, ...] = ()
    """The hosts with the certificate in `tls_secret`."""
    autoscaling: Autoscaling | None = None
    """None: the number of pods is fixed."""
    image: str = ""
    """Image of the bot's own choice, or the one with LangChain if the bot needs it; empty: the platform's."""
    image_pull_secrets: tuple[str, ...] = ()
    store: str = ""
    """Name of the Store that keeps what the bot must not forget; empty: the pod itself, as long as it lives."""

    @property
    def listener_hosts(self) -> tuple[str, ...]:
        """The hosts for which the bot adds listeners to its Gateway, because their certificate is not the Gateway's."""
        return (*self.certified_hosts, *self.secret_hosts) if self.gateway_ref else ()


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What became of a Chatbot."""

    config: RuntimeConfig | None
    """None if the bot is refused."""
    document: bytes
    """Canonical JSON of the config; empty if the bot is refused."""
    hash: str
    """Hash of the document; empty if the bot is refused."""
    problems: tuple[Problem, ...]
    """Why the bot is refused."""
    plugin_problems: tuple[Problem, ...]
    """Why plugins are left out of the config; the rest serves."""
    warnings: tuple[str, ...]
    """What is set and has no effect."""
    settled: Settled
    defaults: ChatbotDefaults
    """What the platform filled in, for `status.defaults`."""
    model: str
    """Provider and model, for `status.model`; empty if they are not known."""
    plugins: tuple[BotPluginStatus, ...]
    """Plugins in the config, for `status.plugins`."""
    secrets: tuple[SecretFile, ...]
    """What the pod needs mounted."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the bot: the default host first, then those of the spec."""
        return self.settled.hosts

    @property
    def url(self) -> str:
        """Where the bot is reached; empty if it is not exposed."""
        return self.settled.url
