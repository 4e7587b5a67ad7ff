"""Connections through a SOCKS5 proxy, whose own address must be one that may be dialled."""

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from smarter_crds.addresses import Network
from smarter_runtime.network import dial
from smarter_runtime.tools.api.faults import ProxyRefused

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler


@dataclass(frozen=True, kw_only=True)
class SocksProxy:
    """Where the proxy is, and as whom it is used; user and password are empty where it asks for none."""

    host: str
    port: int
    allowed: tuple[Network, ...]
    user: str = ""
    password: str = ""

    def connector(self, **options: Any) -> aiohttp.TCPConnector:
        return _Connector(self, **options)

    async def open(self, host: str, port: int) -> socket.socket:
        """Return a socket that leads to the server, which the proxy finds by itself."""
        dialled = await dial(self.host, self.port, self.allowed)
        proxy = Proxy(
            ProxyType.SOCKS5,
            self.host,
            self.port,
            username=self.user or None,
            password=self.password or None,
            rdns=True,
            # Without one, the library would dial the proxy itself, whatever its address.
            forward=cast("Any", _Dialled(dialled)),
        )
        try:
            return await proxy.connect(host, port)
        except ProxyError as error:
            raise ProxyRefused(str(error)) from error


class _Dialled:
    """Stands for what leads to the proxy."""

    def __init__(self, dialled: socket.socket) -> None:
        self._dialled = dialled

    async def connect(self, dest_host: str, dest_port: int, **options: Any) -> socket.socket:
        return self._dialled


class _NoResolver(AbstractResolver):
    """Leaves names as they are: the network behind the proxy may know other ones than this."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [{"hostname": host, "host": host, "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None: ...


class _Connector(aiohttp.TCPConnector):
    def __init__(self, proxy: SocksProxy, **options: Any) -> None:
        super().__init__(**options, resolver=_NoResolver(), use_dns_cache=False)
        self._proxy = proxy

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: list[Any], req: aiohttp.ClientRequest, **more: Any
    ) -> "tuple[asyncio.Transport, ResponseHandler]":
        host, port = addr_infos[0][4][:2]
        try:
            async with asyncio.timeout(more["timeout"].sock_connect):
                opened = await self._proxy.open(host, port)
        except OSError as error:
            raise aiohttp.ClientProxyConnectionError(req.connection_key, error) from error
        return await self._wrap_existing_connection(*args, req=req, sock=opened, **more)
