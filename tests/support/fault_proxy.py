"""A proxy before the API server that does to the operator what networks, load balancers and busy servers do."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from smarter_operator.kubernetes_cluster import load_configuration
from support.operator_process import free_port

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""What happens to a request: an answer in place of the API server's, or None to pass it on."""

_PASSED_ON = ("Authorization", "Accept", "Content-Type", "User-Agent")


@dataclass(frozen=True)
class Seen:
    """One request of the operator, on the clock of the event loop."""

    at: float
    verb: str
    path: str


class FaultProxy:
    """Speaks HTTP with the operator and HTTPS with the API server of a kubeconfig; use it as an async context."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self.port = free_port()
        self.seen: list[Seen] = []
        self.expired = 0
        """How many watches the API server ended because they began too far back."""
        self._fault: Fault | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._transports: set[asyncio.Transport] = set()
        self._watches: set[web.StreamResponse] = set()
        self._silent: set[web.StreamResponse] = set()

    async def __aenter__(self) -> "FaultProxy":
        configuration = await load_configuration(str(self._kubeconfig))
        self._upstream = str(configuration.host)
        trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trust), timeout=aiohttp.ClientTimeout(), auto_decompress=False
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_away()
        await self._runner.cleanup()
        await self._session.close()

    def kubeconfig(self, original: Path, target: Path) -> Path:
        """Write the kubeconfig `original` anew, so that it leads through this proxy."""
        config = yaml.safe_load(original.read_text(encoding="utf-8"))
        for entry in config["clusters"]:
            entry["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        target.write_text(yaml.safe_dump(config), encoding="utf-8")
        target.chmod(0o600)
        return target

    async def go_away(self) -> None:
        """Refuse connections, as a server that is not there does, and cut those there are."""
        await self._site.stop()
        self.cut()

    async def come_back(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()

    def cut(self) -> None:
        """Reset every connection."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    def hurt(self, fault: Fault) -> None:
        """Let this happen to every new request, until `heal`."""
        self._fault = fault

    def freeze(self) -> None:
        """Swallow every byte in both directions while connections stay open, until `heal`."""
        self._flows.clear()

    def heal(self) -> None:
        self._fault = None
        self._flows.set()

    def swallow(self) -> None:
        """Let the watches that are open bring nothing any more; new ones work."""
        self._silent |= self._watches

    async def inject(self, line: bytes) -> int:
        """Send a line into every open watch. Returns how many there were."""
        watches = list(self._watches)
        for watch in watches:
            await watch.write(line)
        return len(watches)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(asyncio.get_running_loop().time(), request.method, request.path))
        if request.transport is not None:
            self._transports.add(request.transport)
        await self._flows.wait()
        answer = await self._fault(request) if self._fault else None
        return answer if answer is not None else await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = self._upstream + request.path_qs
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=await request.read() or None
            ) as upstream:
                kept = {name: upstream.headers[name] for name in ("Content-Type",) if name in upstream.headers}
                response = web.StreamResponse(status=upstream.status, headers=kept)
                await response.prepare(request)
                await self._relay(upstream, response, is_watch="watch" in request.query)
                return response
        except aiohttp.ClientConnectionError:
            return web.Response(status=502)

    async def _relay(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse, *, is_watch: bool) -> None:
        if is_watch:
            self._watches.add(response)
        try:
            async for chunk in upstream.content.iter_any():
                await self._flows.wait()
                self.expired += b'"code":410' in chunk
                if response not in self._silent:
                    await response.write(chunk)
        finally:
            self._watches.discard(response)
            self._silent.discard(response)


def answer(code: int, retry_after_seconds: int | None = None, text: str = "") -> Fault:
    """Return the fault of a server that answers everything so."""
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}

    async def fault(_: web.Request) -> web.Response:
        return web.Response(status=code, headers=headers, text=text)

    return fault


def slow(seconds: float) -> Fault:
    async def fault(_: web.Request) -> None:
        await asyncio.sleep(seconds)

    return fault


def reset() -> Fault:
    """Return the fault of a connection that breaks before the answer."""

    async def fault(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    return fault


def half() -> Fault:
    """Return the fault of a connection that breaks within the answer."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"kind":"List","items":[{"metadata":')
        if request.transport is not None:
            request.transport.abort()
        return response

    return fault
