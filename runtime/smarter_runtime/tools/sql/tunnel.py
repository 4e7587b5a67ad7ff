"""A way to a database through an SSH server whose keys are known beforehand."""

import asyncio

import asyncssh

from smarter_crds.addresses import networks
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.network import dial
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tools.sql.faults import DatabaseFault, connect_fault
from smarter_runtime.tools.sql.routes import Streams

KEEPALIVE_SECONDS = 30


class Tunnel:
    """One connection to the SSH server, for all connections to the database; it is made again when it is lost."""

    def __init__(self, config: SqlConnectionConfig, files: SecretFiles) -> None:
        assert config.ssh_tunnel is not None
        self._config, self._ssh, self._files = config, config.ssh_tunnel, files
        self._allowed = networks(config.allowed_cidrs)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> Streams:
        place = f"the SSH server {self._ssh.host}:{self._ssh.port}"
        try:
            async with asyncio.timeout(self._config.connect_timeout_seconds):
                return await self._open(await self._connected())
        except (OSError, SecretMissing) as error:
            raise connect_fault(error, place) from error
        except asyncssh.Error as error:
            raise _fault(error, place, self._config.host) from error

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._one_at_a_time:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._dialled()
            return self._connection

    async def _dialled(self) -> asyncssh.SSHClientConnection:
        key = _private_key(self._files.text(self._ssh.private_key_file), self._ssh.private_key_file)
        known = _known_hosts(self._ssh.known_hosts)
        return await asyncssh.connect(
            self._ssh.host,
            self._ssh.port,
            sock=await dial(self._ssh.host, self._ssh.port, self._allowed),
            known_hosts=known,
            username=self._ssh.username,
            client_keys=[key],
            # Nothing of the machine's own: no agent, no files in a home folder, no other way to log in.
            config=None,
            agent_path=None,
            preferred_auth="publickey",
            gss_auth=False,
            keepalive_interval=KEEPALIVE_SECONDS,
        )

    async def _open(self, connection: asyncssh.SSHClientConnection) -> Streams:
        reader, writer = await connection.open_connection(self._config.host, self._config.port, encoding=None)
        return _Reader(reader), _Writer(writer)


class _Reader:
    """The channel's reader, whose errors are those of any other connection."""

    def __init__(self, reader: asyncssh.SSHReader[bytes]) -> None:
        self._reader = reader

    async def read(self, at_most: int) -> bytes:
        try:
            return await self._reader.read(at_most)
        except asyncssh.Error as error:
            raise ConnectionResetError(str(error)) from error


class _Writer:
    """The channel's writer, whose errors are those of any other connection."""

    def __init__(self, writer: asyncssh.SSHWriter[bytes]) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except asyncssh.Error as error:
            raise ConnectionResetError(str(error)) from error

    def close(self) -> None:
        self._writer.close()


def _private_key(text: str, name: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SecretMissing(f"The file `{name}` holds no private key without a passphrase.") from error


def _known_hosts(text: str) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.import_known_hosts(text)
    except ValueError as error:
        raise DatabaseFault("InvalidKnownHosts", f"`spec.sshTunnel.knownHosts` cannot be read: {error}.") from error


def _fault(error: asyncssh.Error, place: str, host: str) -> DatabaseFault:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        text = "shows a key that `spec.sshTunnel.knownHosts` does not have; it may not be the server that it seems."
        return DatabaseFault("HostKeyRefused", f"{place[:1].upper()}{place[1:]} {text}")
    if isinstance(error, asyncssh.PermissionDenied):
        text = "does not accept the user and key of `spec.sshTunnel`."
        return DatabaseFault("LoginRefused", f"{place[:1].upper()}{place[1:]} {text}")
    if isinstance(error, asyncssh.ChannelOpenError):
        return DatabaseFault("Unreachable", f"{place[:1].upper()}{place[1:]} gets no connection to {host}.")
    return DatabaseFault("Unreachable", f"{place[:1].upper()}{place[1:]} ended the connection: {type(error).__name__}.")
