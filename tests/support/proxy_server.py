"""Proxies for tests: an HTTP and a SOCKS5 proxy that lead wherever they are told, and remember where that was."""

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_Agree = Callable[["ProxyServer", Streams], Awaitable[tuple[str, int, bytes]]]


@dataclass
class ProxyServer:
    """A running proxy."""

    port: int = 0
    credentials: tuple[str, str] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """Addresses of names that nobody else knows."""
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Where connections were asked to."""
    refused: int = 0
    served: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = field(default_factory=dict)
    """The connections under way, each with its two ends."""

    async def end(self) -> None:
        """Break off what is under way, and wait until it is over."""
        tasks = list(self.served)
        for writers in self.served.values():
            for writer in writers:
                writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=5)


class _Refused(Exception):
    """The proxy does not do that."""


@asynccontextmanager
async def http_proxy(
    credentials: tuple[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ProxyServer]:
    proxy = ProxyServer(credentials=credentials, names=names or {})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(proxy, (reader, writer), _connect_method, b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with await asyncio.start_server(serve, HOST, 0, ssl=tls) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
        await proxy.end()


@asynccontextmanager
async def socks_proxy(
    credentials: tuple[str, str] | None = None, names: Mapping[str, str] | None = None
) -> AsyncIterator[ProxyServer]:
    proxy = ProxyServer(credentials=credentials, names=names or {})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(proxy, (reader, writer), _socks5, b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")

    async with await asyncio.start_server(serve, HOST, 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
        await proxy.end()


async def _serve(proxy: ProxyServer, client: Streams, agree: _Agree, no: bytes) -> None:
    reader, writer = client
    task = cast("asyncio.Task[None]", asyncio.current_task())
    proxy.served[task] = [writer]
    try:
        host, port, yes = await agree(proxy, client)
        proxy.asked.append((host, port))
        there = await asyncio.open_connection(proxy.names.get(host, host), port)
        proxy.served[task].append(there[1])
        writer.write(yes)
        # Each way closes where it leads to when it is over, and so ends the other.
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))
    except (_Refused, OSError):
        proxy.refused += 1
        writer.write(no)
    except asyncio.IncompleteReadError:
        pass
    finally:
        for each in proxy.served.pop(task):
            each.close()


async def _connect_method(proxy: ProxyServer, client: Streams) -> tuple[str, int, bytes]:
    head = (await client[0].readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    if proxy.credentials:
        expected = base64.b64encode(":".join(proxy.credentials).encode()).decode()
        if headers.get("proxy-authorization") != f"Basic {expected}":
            raise _Refused
    host, _, port = target.rpartition(":")
    if method != "CONNECT":
        raise _Refused
    return host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\n\r\n"


async def _socks5(proxy: ProxyServer, client: Streams) -> tuple[str, int, bytes]:
    reader, writer = client
    _, count = await reader.readexactly(2)
    methods = await reader.readexactly(count)
    wanted = 2 if proxy.credentials else 0
    if wanted not in methods:
        writer.write(b"\x05\xff")
        raise _Refused
    writer.write(bytes([5, wanted]))
    if proxy.credentials:
        await _login(proxy.credentials, client)
    kind = (await reader.readexactly(4))[3]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    port = int.from_bytes(await reader.readexactly(2), "big")
    return host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


async def _login(credentials: tuple[str, str], client: Streams) -> None:
    reader, writer = client
    await reader.readexactly(1)
    given = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
    writer.write(b"\x01\x00" if tuple(given) == credentials else b"\x01\x01")
    if tuple(given) != credentials:
        raise _Refused


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
