"""How the server of a database is reached: directly, through a proxy, or through an SSH server."""

import asyncio
from typing import Protocol

from smarter_crds.addresses import networks
from smarter_crds.connection_config import CredentialsConfig
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.network import dial
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools.sql.faults import connect_fault


class Reader(Protocol):
    """Where the bytes of a connection come from."""

    async def read(self, at_most: int, /) -> bytes: ...


class Writer(Protocol):
    """Where the bytes of a connection go."""

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


Streams = tuple[Reader, Writer]


class Route(Protocol):
    """A way to one server."""

    async def open(self) -> Streams:
        """Return a connection to the server.

        Raises:
            DatabaseFault: when there is none within the time that the connection's resource gives.
        """
        ...

    async def close(self) -> None: ...


def route(config: SqlConnectionConfig, files: SecretFiles) -> Route:
    if config.ssh_tunnel:
        # Cryptography for SSH weighs 27 MiB.
        from smarter_runtime.tools.sql.tunnel import Tunnel

        return Tunnel(config, files)
    if config.proxy:
        from smarter_runtime.tools.sql.proxy import ThroughProxy

        return ThroughProxy(config, files)
    return Direct(config)


class Direct:
    """The server itself is dialled, and may be dialled."""

    def __init__(self, config: SqlConnectionConfig) -> None:
        self._config = config
        self._allowed = networks(config.allowed_cidrs)

    async def open(self) -> Streams:
        config = self._config
        try:
            async with asyncio.timeout(config.connect_timeout_seconds):
                return await asyncio.open_connection(sock=await dial(config.host, config.port, self._allowed))
        except OSError as error:
            raise connect_fault(error, f"{config.host}:{config.port}") from error

    async def close(self) -> None:
        return None


def credentials(config: CredentialsConfig | None, files: SecretFiles) -> tuple[str | None, str | None]:
    """Return user and password, if any are given.

    Raises:
        SecretMissing: when a file has none.
    """
    if config is None:
        return None, None
    return files.text(config.username_file), files.text(config.password_file)
