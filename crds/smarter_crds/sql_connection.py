"""The SqlConnection resource: a database that Plugins of type Sql ask."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.fields import Address, AllowedCidrs, Port, RequiredText
from smarter_crds.references import CredentialsSecret, Proxy, SecretKeyRef, Tls
from smarter_crds.status import TypedStatus

Engine = Literal["PostgreSQL", "MySQL", "MariaDB", "SQLServer", "Oracle", "SQLite"]


class Pool(ApiModel):
    """How many connections each pod keeps."""

    size: int | None = Field(None, ge=1, le=100, description="Connections that are kept open. Default: 2.")
    max_overflow: int | None = Field(
        None, ge=0, le=100, description="Connections opened on top while there is a rush. Default: 3."
    )


class SshTunnel(ApiModel):
    """An SSH server through which the database is reached."""

    host: Address = Field(description="Host name or IP address of the SSH server.")
    port: Port | None = Field(None, description="Port of the SSH server. Default: 22.")
    username: RequiredText = Field(description="User at the SSH server.")
    private_key_secret: SecretKeyRef = Field(description="Secret key with the user's private key.")
    known_hosts: str = Field(
        min_length=1,
        max_length=16384,
        description="Lines as in OpenSSH's file `known_hosts`: the keys that the SSH server may show.",
    )


class SqlConnectionSpec(ApiModel):
    """Where a database is, and how it is reached."""

    rules = (
        Rule(
            cel="self.engine == 'SQLite' || has(self.host)",
            message="`host` is required for every engine but `SQLite`",
            holds=lambda spec: spec.engine == "SQLite" or spec.host is not None,
        ),
    )

    engine: Engine = Field(description="Database engine.")
    host: Address | None = Field(
        None, description="Host name or IP address of the server; required for every engine but `SQLite`."
    )
    port: Port | None = Field(None, description="Port of the server. Default: the engine's usual port.")
    database: RequiredText = Field(
        description="Name of the database (Oracle: of the service; SQLite: path of the file)."
    )
    credentials_secret: CredentialsSecret | None = Field(
        None, description="Secret with the database user and password. Default: none are sent."
    )
    tls: Tls | None = Field(
        None, description="Encryption of the connection. Default: encrypted, the server's certificate is checked."
    )
    timeout_seconds: int | None = Field(
        None, ge=1, le=300, description="Longest time until a connection is made, in seconds. Default: 5."
    )
    pool: Pool | None = Field(None, description="Connections that each pod keeps. Default: 2, and 3 more in a rush.")
    ssh_tunnel: SshTunnel | None = Field(
        None, description="SSH server through which the database is reached. Default: none."
    )
    proxy: Proxy | None = Field(None, description="Proxy through which the database is reached. Default: none.")
    allowed_cidrs: AllowedCidrs = ()


class SqlConnection(ApiModel):
    """A database that Plugins can ask."""

    metadata: Metadata
    spec: SqlConnectionSpec
    status: TypedStatus = TypedStatus()
