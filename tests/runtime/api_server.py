"""A real HTTP API on loopback that plays a script, and tools that call it."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from runtime.support import config
from smarter_cluster.pki import Authority, Subject
from smarter_crds.api_config import ApiAuthConfig, ApiConfig, ApiConnectionConfig
from smarter_crds.runtime_config import PluginConfig, RuntimeConfig, SelectorConfig
from smarter_crds.tool_config import ParameterConfig, ParameterTypeName
from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.tools import NOBODY, Claims, Tool, Toolbox
from smarter_runtime.tools.api.connector import ApiConnector

LOOPBACK = ("127.0.0.0/8",)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    port: int
    """Of the client's end: another one is another connection."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ApiServer:
    """Answers one reply after the other; the last one again and again."""

    replies: list[Reply]
    url: str = ""
    seen: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        self.seen.append(Seen(request.method, request.raw_path, headers, body, port))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)

    def connection(self, **changes: Any) -> ApiConnectionConfig:
        whole: dict[str, Any] = {"name": "erp", "base_url": self.url, "allowed_cidrs": LOOPBACK}
        return ApiConnectionConfig(**whole | changes)


@asynccontextmanager
async def api(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[ApiServer]:
    server = ApiServer(list(replies) or [answers({})])
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def server_tls(authority: Authority, *hosts: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    hosts = hosts or ("127.0.0.1",)
    pair = authority.issue(f"server-{hosts[0]}", Subject(name="server", hosts=hosts))
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def answers(value: Any = None, status: int = 200, **headers: str) -> Reply:
    """Return a reply with a JSON body."""

    async def reply(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return web.json_response(value, status=status, headers=named)

    return reply


def sends(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> Reply:
    """Return a reply with just these bytes."""

    async def reply(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return web.Response(body=body, status=status, headers={"Content-Type": content_type} | named)

    return reply


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def echoes(request: web.Request) -> web.StreamResponse:
    """Answer with all that was sent."""
    return web.json_response({"headers": dict(request.headers), "body": (await request.read()).decode()})


def parameter(name: str, kind: ParameterTypeName = "String", **fields: Any) -> ParameterConfig:
    return ParameterConfig(name=name, type=kind, description=f"The {name}.", **fields)


def plugin(
    *parameters: ParameterConfig, name: str = "orders", write: bool | None = None, **request: Any
) -> PluginConfig:
    """Return an Api plugin; `request` are fields of its request."""
    made = ApiConfig(**{"connection": "erp", "method": "GET", "path": "/orders"} | request)
    return PluginConfig(
        name=name,
        type="Api",
        hash="0",
        description="Looks up orders.",
        selector=SelectorConfig(directive="Always"),
        parameters=parameters,
        api=made,
        side_effects="Write" if (made.method != "GET" if write is None else write) else "None",
    )


def bot_config(made: PluginConfig, connection: ApiConnectionConfig) -> RuntimeConfig:
    return config(plugins=(made,), api_connections={connection.name: connection})


@dataclass
class Caller:
    """Calls one tool as a model does."""

    connector: ApiConnector
    tool: Tool
    config: RuntimeConfig

    async def __call__(self, arguments: Any = None, claims: Claims = NOBODY) -> ToolResult:
        name = self.tool.offer.name
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        return await Toolbox([self.tool]).call(ToolCall("1", name, text), frozenset({name}), claims)

    def problems(self) -> list[tuple[str, str]]:
        return [(problem.reason, problem.message) for problem in self.connector.problems(self.config)]


@asynccontextmanager
async def calling(made: PluginConfig, connection: ApiConnectionConfig, secrets: Path) -> AsyncIterator[Caller]:
    whole = bot_config(made, connection)
    connector = ApiConnector(secrets)
    try:
        yield Caller(connector, connector.tool(made, whole), whole)
    finally:
        await connector.close()


def auth(kind: str, **fields: Any) -> ApiAuthConfig:
    return ApiAuthConfig.model_validate({"type": kind} | fields)
