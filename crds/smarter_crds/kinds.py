"""The table of our kinds: their names, scopes and columns, for the generator and for whoever asks the API server."""

from dataclasses import dataclass
from typing import Literal

from smarter_crds.api_connection import ApiConnection
from smarter_crds.api_key import ApiKey
from smarter_crds.base import ApiModel
from smarter_crds.chatbot import Chatbot
from smarter_crds.host_claim import HostClaim
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_crds.sql_connection import SqlConnection
from smarter_crds.store import Store


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; one with `priority` 1 is shown by `-o wide` only."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "date"] = "string"
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the API server must know of a kind besides its schema."""

    name: str
    model: type[ApiModel]
    plural: str
    short_names: tuple[str, ...] = ()
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    columns: tuple[Column, ...]
    scalable: bool = False

    @property
    def singular(self) -> str:
        """The name of one, in lower case."""
        return self.name.lower()

    @property
    def has_status(self) -> bool:
        """Whether the kind has a status of its own."""
        return "status" in self.model.model_fields


READY_COLUMN = Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether all is well.")
_REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is (not) ready.", priority=1)
_USED_BY = Column("Used by", ".status.usedBy", "Number of Chatbots that use it.", "integer")
_AGE = Column("Age", ".metadata.creationTimestamp", "Time since it was created.", "date")
_SHARED = (READY_COLUMN, _USED_BY, _REASON, _AGE)

_CHATBOT_COLUMNS = (
    READY_COLUMN,
    Column("State", ".status.state", "The state asked for."),
    Column("URL", ".status.url", "Address at which the bot is reached."),
    Column("Model", ".status.model", "Model that answers."),
    Column("Plugins", ".status.pluginCount", "Number of plugins in its config.", "integer"),
    Column("Replicas", ".status.replicas", "Number of pods.", "integer"),
    _REASON,
    Column(
        "Certificate expiry", ".status.certificateExpiry", "When the first of its certificates expires.", priority=1
    ),
    _AGE,
)

_API_KEY_COLUMNS = (
    READY_COLUMN,
    Column("Scope", ".spec.scope.type", "Which Chatbots it opens."),
    _USED_BY,
    Column("Expires", ".spec.expiresAt", "Until when the key is valid."),
    _REASON,
    Column(
        "Secret", ".status.issued[0].secretName", "Secret with the newest token that the operator made.", priority=1
    ),
    _AGE,
)


def _type(path: str) -> Column:
    return Column("Type", path, "What type it is of.")


_ALL = (
    Kind(
        name="Chatbot", model=Chatbot, plural="chatbots", short_names=("cb",), columns=_CHATBOT_COLUMNS, scalable=True
    ),
    Kind(name="Plugin", model=Plugin, plural="plugins", short_names=("plug",), columns=(_type(".spec.type"), *_SHARED)),
    Kind(
        name="SqlConnection",
        model=SqlConnection,
        plural="sqlconnections",
        short_names=("sqlconn",),
        columns=(_type(".spec.engine"), *_SHARED),
    ),
    Kind(
        name="ApiConnection",
        model=ApiConnection,
        plural="apiconnections",
        short_names=("apiconn",),
        columns=_SHARED,
    ),
    Kind(
        name="Provider",
        model=Provider,
        plural="providers",
        short_names=("prov",),
        columns=(_type(".spec.type"), *_SHARED),
    ),
    Kind(name="Store", model=Store, plural="stores", columns=(_type(".spec.type"), *_SHARED)),
    Kind(name="ApiKey", model=ApiKey, plural="apikeys", columns=_API_KEY_COLUMNS),
    Kind(
        name="HostClaim",
        model=HostClaim,
        plural="hostclaims",
        scope="Cluster",
        columns=(
            Column("Namespace", ".spec.holder.namespace", "Namespace of the Chatbot that holds the host."),
            Column("Chatbot", ".spec.holder.name", "Chatbot that holds the host."),
            Column("Last used", ".spec.lastUsedTime", "When the holder stopped using the host.", "date"),
            _AGE,
        ),
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind of the API by its name."""
