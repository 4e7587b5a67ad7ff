"""An HTTP and a SOCKS5 proxy on loopback, which write down what they are asked for."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_ASKS_NOTHING, _ASKS_PASSWORD, _ACCEPTS_NONE = 0, 2, 0xFF
_BY_NAME = 3


@dataclass
class ForwardProxy:
    """Where the proxy is, what it was asked for, and whom it lets in."""

    url: str = ""
    user: str = ""
    password: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Addresses of the names that only this proxy knows."""
    asked: list[str] = field(default_factory=list)
    """The servers that it was told to connect to, and the first lines of requests that it passed on itself."""
    refused: int = 0
    """How many were not let in."""

    def address(self, host: str) -> str:
        return self.names.get(host, host)


@asynccontextmanager
async def http_proxy(
    user: str = "", password: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[ForwardProxy]:
    """Serve CONNECT and requests with whole addresses."""
    proxy = ForwardProxy(user=user, password=password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        expected = "Basic " + base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        if proxy.user and f"proxy-authorization: {expected}".lower() not in (line.lower() for line in lines):
            proxy.refused += 1
            writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        proxy.asked.append(first)
        method, target, _ = first.split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await _join(reader, writer, proxy.address(host.strip("[]")), int(port))
            return
        server, _, path = target.removeprefix("http://").partition("/")
        host, _, port = server.partition(":")
        kept = [line for line in lines if not line.lower().startswith("proxy-")]
        # One request only: what comes next has a whole address, too.
        begin = "\r\n".join([f"{method} /{path} HTTP/1.1", "Connection: close", *kept]).encode()
        await _join(reader, writer, proxy.address(host), int(port or 80), begin)

    async with _served(serve, tls) as port:
        proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield proxy


@asynccontextmanager
async def socks_proxy(user: str = "", password: str = "") -> AsyncIterator[ForwardProxy]:
    """Serve SOCKS5 (RFC 1928), with user and password (RFC 1929) if there are any."""
    proxy = ForwardProxy(user=user, password=password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        wanted = _ASKS_PASSWORD if proxy.user else _ASKS_NOTHING
        writer.write(bytes([5, wanted if wanted in offered else _ACCEPTS_NONE]))
        if wanted not in offered or (proxy.user and not await _is_let_in(reader, writer, proxy)):
            proxy.refused += 1
            await writer.drain()
            return
        _, _, _, kind = await reader.readexactly(4)
        if kind == _BY_NAME:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(str(each) for each in await reader.readexactly(4))
        port = int.from_bytes(await reader.readexactly(2))
        proxy.asked.append(f"{host}:{port}")
        writer.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        await _join(reader, writer, proxy.address(host), port)

    async with _served(serve, None) as port:
        proxy.url = f"socks5://127.0.0.1:{port}"
        yield proxy


async def _is_let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: ForwardProxy) -> bool:
    said = []
    await reader.readexactly(1)
    for _ in range(2):
        said.append((await reader.readexactly((await reader.readexactly(1))[0])).decode())
    is_known = said == [proxy.user, proxy.password]
    writer.write(bytes([1, 0 if is_known else 1]))
    return is_known


@asynccontextmanager
async def _served(serve: Serve, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()
            del serving[task]

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        await asyncio.gather(*serving)
        await server.wait_closed()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, begin: bytes = b""
) -> None:
    """Connect to the server and pass everything on, both ways, until one side ends."""
    there, back = await asyncio.open_connection(host, port)
    back.write(begin)
    ways = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
