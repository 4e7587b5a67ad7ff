"""A tap in the line between operator and API server: passes everything on, counts calls, may go dead after one.

Watches and lists are passed on uncounted: they are how the operator looks, not what it does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from smarter_operator.kubernetes_cluster import load_configuration, new_session
from support.operator_process import free_port

_OF_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"})

Call = tuple[str, str]
"""Verb and path."""


class Tap:
    """Use it as an async context; `calls` are those since `arm`."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._port = free_port()
        self._last = 0
        self._on_last: Callable[[], Awaitable[None]] | None = None
        self.calls: list[Call] = []
        self.stopped = asyncio.Event()

    async def __aenter__(self) -> "Tap":
        configuration = await load_configuration(str(self._kubeconfig))
        self._server = str(configuration.host)
        self._session = new_session(configuration, connections=0)
        app = web.Application(client_max_size=8 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def arm(self, number: int = 0, on_last: Callable[[], Awaitable[None]] | None = None) -> None:
        """Count from now on. When the server has answered the call of that number, nothing passes any more."""
        self.calls.clear()
        self.stopped.clear()
        self._last, self._on_last = number, on_last

    def kubeconfig(self, target: Path) -> Path:
        """Write the kubeconfig of who goes through the tap."""
        config = yaml.safe_load(self._kubeconfig.read_text(encoding="utf-8"))
        for entry in config["clusters"]:
            entry["cluster"] = {"server": f"http://127.0.0.1:{self._port}"}
        target.write_text(yaml.safe_dump(config), encoding="utf-8")
        target.chmod(0o600)
        return target

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if self.stopped.is_set():
            raise web.HTTPServiceUnavailable
        counted = _names_an_object(request)
        if counted:
            self.calls.append((request.method, request.path))
        is_last = counted and len(self.calls) == self._last
        if is_last:
            self.stopped.set()
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _OF_ONE_HOP}
        body = await request.read()
        async with self._session.request(
            request.method, self._server + request.raw_path, headers=headers, data=body or None, timeout=_NO_LIMIT
        ) as answer:
            if is_last:
                await self._end(answer)
            return await self._answer(request, answer)

    async def _end(self, answer: aiohttp.ClientResponse) -> None:
        await answer.read()
        if self._on_last is not None:
            await self._on_last()
        raise web.HTTPServiceUnavailable

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {key: value for key, value in answer.headers.items() if key.lower() not in _OF_ONE_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


_NO_LIMIT = aiohttp.ClientTimeout(total=None)


def _names_an_object(request: web.Request) -> bool:
    """Tell whether the call writes, or reads one object; Leases and discovery are left out."""
    looks = request.method == "GET" and ("/namespaces/" not in request.path or {"limit", "watch"} & set(request.query))
    return not looks and "/leases" not in request.path
