"""A way to a database through an HTTP or SOCKS proxy, whose own address must be one that may be dialled."""

import asyncio
import ssl
from typing import Any, cast
from urllib.parse import urlsplit

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio.v2 import Proxy

from smarter_crds.addresses import networks
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.network import dial
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tools.sql.faults import DatabaseFault, connect_fault
from smarter_runtime.tools.sql.routes import Streams, credentials

_PORTS = {"http": 80, "https": 443, "socks5": 1080}


class ThroughProxy:
    """The proxy is dialled, and finds the server by itself."""

    def __init__(self, config: SqlConnectionConfig, files: SecretFiles) -> None:
        assert config.proxy is not None
        self._config, self._proxy, self._files = config, config.proxy, files
        self._url = urlsplit(config.proxy.url)
        self._allowed = networks(config.allowed_cidrs)

    async def open(self) -> Streams:
        host, port = self._url.hostname or "", self._url.port or _PORTS[self._url.scheme]
        place = f"the proxy {host}:{port}"
        try:
            async with asyncio.timeout(self._config.connect_timeout_seconds):
                return await self._open(host, port)
        except ProxyError as error:
            text = f"The proxy {host}:{port} does not connect to {self._config.host}: {error}."
            raise DatabaseFault("ProxyRefused", text) from error
        except (OSError, SecretMissing) as error:
            raise connect_fault(error, place) from error

    async def close(self) -> None:
        return None

    async def _open(self, host: str, port: int) -> Streams:
        user, password = credentials(self._proxy.credentials, self._files)
        stream = _Stream(*await asyncio.open_connection(sock=await dial(host, port, self._allowed)))
        proxy = Proxy(
            ProxyType.SOCKS5 if self._url.scheme == "socks5" else ProxyType.HTTP,
            host,
            port,
            username=user,
            password=password,
            rdns=True,
            proxy_ssl=ssl.create_default_context() if self._url.scheme == "https" else None,
            # Without one, the library would dial the proxy itself, whatever its address.
            forward=cast("Any", _Dialled(stream)),
        )
        await proxy.connect(self._config.host, self._config.port, timeout=self._config.connect_timeout_seconds)
        return stream.reader, stream.writer


class _Dialled:
    """Stands for what leads to the proxy."""

    def __init__(self, stream: "_Stream") -> None:
        self._stream = stream

    async def connect(self, dest_host: str, dest_port: int) -> "_Stream":
        return self._stream


class _Stream:
    """A connection as the library wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, max_bytes: int = 65536) -> bytes:
        return await self.reader.read(max_bytes)

    async def read_exactly(self, n: int) -> bytes:
        return await self.reader.readexactly(n)

    async def start_tls(self, hostname: str, ssl_context: ssl.SSLContext) -> "_Stream":
        await self.writer.start_tls(ssl_context, server_hostname=hostname)
        return self

    async def close(self) -> None:
        self.writer.close()
