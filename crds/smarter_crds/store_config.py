"""The part of the contract between operator and runtime about the Store: where a bot keeps what it must not forget."""

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.store import StoreType


class StoreConfig(ApiModel):
    """A server that several pods, and several bots, share."""

    name: str
    """Name of the Store resource."""
    type: StoreType
    host: str
    port: int
    database: str
    """Name of the database; of Redis its number."""
    credentials: CredentialsConfig | None = None
    """Of Redis, a file for the user's name that is not there means the default user."""
    tls: TlsConfig = TlsConfig()
    allowed_cidrs: tuple[str, ...] = Field((), alias="allowedCIDRs")
    """Non-public networks that may be dialled all the same."""
