"""SqlConnections: how one appears in a bot's config, and what the pod needs mounted to use it."""

from collections.abc import Iterator, Mapping

from smarter_crds.compile.model import SecretFile
from smarter_crds.compile.secret_files import credentials_config, credentials_files, tls_config, tls_files
from smarter_crds.sql_config import SqlConfig, SqlConnectionConfig, SshTunnelConfig
from smarter_crds.sql_connection import Engine, Pool, SqlConnection, SshTunnel
from smarter_crds.tool_config import ProxyConfig
from smarter_crds.tools import Sql

PORTS: Mapping[Engine, int] = {"PostgreSQL": 5432, "MySQL": 3306, "MariaDB": 3306, "SQLServer": 1433, "Oracle": 1521}
"""Where servers of each engine usually listen."""

SSH_PORT = 22

_CONNECT_SECONDS = 5
_POOL_SIZE = 2
_POOL_MAX_OVERFLOW = 3
_MAX_ROWS = 100
_QUERY_SECONDS = 5


def sql_connection_config(connection: SqlConnection) -> SqlConnectionConfig:
    """Build the config of `connection`."""
    spec, thing = connection.spec, _thing(connection)
    pool = spec.pool or Pool()
    always = {
        "name": connection.metadata.name,
        "engine": spec.engine,
        "database": spec.database,
        "connect_timeout_seconds": spec.timeout_seconds or _CONNECT_SECONDS,
        "pool_size": pool.size or _POOL_SIZE,
        "pool_max_overflow": _POOL_MAX_OVERFLOW if pool.max_overflow is None else pool.max_overflow,
    }
    if spec.engine == "SQLite":
        return SqlConnectionConfig.model_validate(always)
    return SqlConnectionConfig.model_validate(
        always
        | {
            "host": spec.host or "",
            "port": spec.port or PORTS[spec.engine],
            "credentials": credentials_config(thing, spec.credentials_secret),
            "tls": tls_config(thing, spec.tls),
            "ssh_tunnel": _tunnel(connection),
            "proxy": _proxy(connection),
            "allowed_cidrs": tuple(sorted(spec.allowed_cidrs)),
        }
    )


def sql_connection_secrets(connection: SqlConnection) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `connection`."""
    spec, thing = connection.spec, _thing(connection)
    if spec.engine == "SQLite":
        return
    yield from credentials_files(thing, spec.credentials_secret)
    yield from tls_files(thing, spec.tls)
    if spec.ssh_tunnel:
        yield _ssh_key(spec.ssh_tunnel, thing)
    if spec.proxy:
        yield from credentials_files(f"proxy-of-{thing}", spec.proxy.credentials_secret)


def sql_config(sql: Sql) -> SqlConfig:
    """Build the config of a query."""
    return SqlConfig(
        connection=sql.connection_ref.name,
        query=sql.query,
        max_rows=sql.max_rows or _MAX_ROWS,
        timeout_seconds=sql.timeout_seconds or _QUERY_SECONDS,
    )


def _tunnel(connection: SqlConnection) -> SshTunnelConfig | None:
    tunnel = connection.spec.ssh_tunnel
    if tunnel is None:
        return None
    return SshTunnelConfig(
        host=tunnel.host,
        port=tunnel.port or SSH_PORT,
        username=tunnel.username,
        private_key_file=_ssh_key(tunnel, _thing(connection)).path,
        known_hosts=tunnel.known_hosts,
    )


def _ssh_key(tunnel: SshTunnel, thing: str) -> SecretFile:
    key = tunnel.private_key_secret
    return SecretFile(key.name, key.key, f"ssh-key-of-{thing}")


def _proxy(connection: SqlConnection) -> ProxyConfig | None:
    proxy = connection.spec.proxy
    if proxy is None:
        return None
    credentials = credentials_config(f"proxy-of-{_thing(connection)}", proxy.credentials_secret)
    return ProxyConfig(url=proxy.url, credentials=credentials)


def _thing(connection: SqlConnection) -> str:
    return f"sql-connection-{connection.metadata.name}"
