"""The part of the contract between operator and runtime about databases: how one is reached, and what is asked."""

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.sql_connection import Engine
from smarter_crds.tool_config import ProxyConfig


class SshTunnelConfig(ApiModel):
    """An SSH server through which a connection is made."""

    host: str
    port: int = 22
    username: str
    private_key_file: str
    known_hosts: str
    """Lines of a file `known_hosts`: the keys that the server may show."""


class SqlConnectionConfig(ApiModel):
    """A database."""

    name: str
    """Name of the SqlConnection resource."""
    engine: Engine
    host: str = ""
    port: int = 0
    """Both are empty for a database that is a file."""
    database: str
    credentials: CredentialsConfig | None = None
    tls: TlsConfig = TlsConfig()
    connect_timeout_seconds: int = 5
    pool_size: int = 2
    """Connections that are kept."""
    pool_max_overflow: int = 3
    """Connections on top of those while there is a rush."""
    ssh_tunnel: SshTunnelConfig | None = None
    proxy: ProxyConfig | None = None
    allowed_cidrs: tuple[str, ...] = Field((), alias="allowedCIDRs")
    """Non-public networks that may be dialled all the same."""


class SqlConfig(ApiModel):
    """The query of a tool."""

    connection: str
    """Key into `RuntimeConfig.sqlConnections`."""
    query: str
    max_rows: int = 100
    timeout_seconds: int = 5
