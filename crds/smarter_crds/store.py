"""The Store resource: where conversations, limits, budgets and usage are kept."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata
from smarter_crds.fields import Address, AllowedCidrs, Port, RequiredText
from smarter_crds.references import CredentialsSecret, Tls
from smarter_crds.status import TypedStatus

StoreType = Literal["Redis", "PostgreSQL"]


class StoreSpec(ApiModel):
    """Where a store is, and how it is reached."""

    type: StoreType = Field(description="Kind of server.")
    host: Address = Field(description="Host name or IP address of the server.")
    port: Port | None = Field(None, description="Port of the server. Default: 6379 for `Redis`, 5432 for `PostgreSQL`.")
    database: RequiredText | None = Field(
        None,
        description="Name of the database (Redis: its number). Default: `0` for `Redis`, `smarter` for `PostgreSQL`.",
    )
    credentials_secret: CredentialsSecret | None = Field(
        None, description="Secret with user and password. Default: none are sent."
    )
    tls: Tls | None = Field(
        None, description="Encryption of the connection. Default: encrypted, the server's certificate is checked."
    )
    allowed_cidrs: AllowedCidrs = ()


class Store(ApiModel):
    """A server that keeps what bots must not forget."""

    metadata: Metadata
    spec: StoreSpec
    status: TypedStatus = TypedStatus()
