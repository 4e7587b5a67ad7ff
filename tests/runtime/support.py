"""A bot, a provider that plays a script, and a server that really listens, for the tests of the runtime."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from aiohttp import web
from openai import AsyncOpenAI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from runtime.books import Books
from runtime.published_schema import faults
from smarter_crds.runtime_config import (
    AppConfig,
    BotIdentity,
    DirectiveName,
    LimitsConfig,
    MatchName,
    ModelConfig,
    ModelOverrides,
    PluginConfig,
    ProviderConfig,
    RuntimeConfig,
    SelectorConfig,
    StaticConfig,
    pack,
    to_json,
)
from smarter_crds.session_key import SESSION_KEY_BYTES, SESSION_KEY_FILE
from smarter_runtime.app import create_api, create_status
from smarter_runtime.fallbacks import RetryPolicy
from smarter_runtime.server import Runtime
from smarter_runtime.services import Services, services
from smarter_runtime.settings import Settings

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
DEMO = {"main": ProviderConfig(name="main", type="Demo")}
RETURNS = {"sneakers": {"window": "30 days", "fee": "free"}, "boots": {"window": "14 days", "fee": "5 EUR"}}


def plugin(
    name: str = "returns-policy",
    directive: DirectiveName = "Always",
    terms: tuple[str, ...] = (),
    *,
    match: MatchName = "Words",
    role: str = "",
    data: dict[str, Any] | None = None,
    model: ModelOverrides | None = None,
    max_characters: int = 16000,
) -> PluginConfig:
    return PluginConfig(
        name=name,
        type="Static",
        hash="0",
        description=f"Tells about {name}.",
        selector=SelectorConfig(directive=directive, search_terms=terms, match=match),
        system_role=role,
        model=model or ModelOverrides(),
        result_max_characters=max_characters,
        static=StaticConfig(data={"returns": RETURNS, "warranty": "2 years"} if data is None else data),
    )


def config(**changes: Any) -> RuntimeConfig:
    """Return a small bot of the demo model; `changes` are fields of the config."""
    whole: dict[str, Any] = {
        "bot": BotIdentity(name="support", namespace="acme", uid="uid-of-support"),
        "language": "en",
        "time_zone": "Europe/Madrid",
        "system_prompt": "You are the support assistant of Acme.",
        "model": ModelConfig(provider="main", name="demo"),
        "providers": DEMO,
        "app": AppConfig(title="Acme Support", assistant_name="Ada", disclosure="You are talking to an AI."),
        "limits": LimitsConfig(),
    }
    return RuntimeConfig(**whole | changes)


def write(directory: Path, document: RuntimeConfig | bytes, name: str = "config") -> None:
    """Put a config in place as Kubernetes does: at once, by a new file."""
    directory.mkdir(parents=True, exist_ok=True)
    new = directory / f".{name}.new"
    new.write_bytes(pack(to_json(document)) if isinstance(document, RuntimeConfig) else document)
    new.replace(directory / name)


def write_session_key(secrets: Path, key: bytes = b"k" * SESSION_KEY_BYTES) -> None:
    secrets.mkdir(parents=True, exist_ok=True)
    (secrets / SESSION_KEY_FILE).write_bytes(key)


@dataclass
class Running:
    """A runtime that listens."""

    url: str
    status_url: str
    services: Services
    runtime: Runtime
    directory: Path
    http: aiohttp.ClientSession
    token: str = ""

    def client(self, token: str | None = None) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=token or self.token, max_retries=0)

    async def session(self) -> str:
        headers = {"Origin": self.url}
        async with self.http.post(f"{self.url}/app/v1/session", json={}, headers=headers) as response:
            token: str = (await response.json())["token"]
            return token

    async def chat(self, text: str = "hello", **fields: Any) -> aiohttp.ClientResponse:
        """Send a request as it stands, without an SDK that would correct it."""
        body = {"messages": [{"role": "user", "content": text}], **fields}
        return await self.post(body)

    async def post(self, body: Any, **headers: str) -> aiohttp.ClientResponse:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        response = await self.http.post(f"{self.url}/v1/chat/completions", json=body, headers=sent)
        await response.read()
        return response

    async def reload(self, document: RuntimeConfig) -> None:
        """Put another config into service."""
        write(self.directory / "config", document)
        await self.runtime.refresh()

    async def status(self) -> dict[str, Any]:
        async with self.http.get(f"{self.status_url}/status") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def used_tokens(self) -> int:
        """Return the tokens that the bot has used today."""
        bot = self.services.configs.bot
        assert bot is not None
        return await self.services.limits.used_tokens(bot.config)

    async def metrics(self) -> str:
        async with self.http.get(f"{self.status_url}/metrics") as response:
            return await response.text()


@asynccontextmanager
async def running(
    directory: Path, document: RuntimeConfig | None = None, clock: Callable[[], datetime] = lambda: NOW, **settings: Any
) -> AsyncIterator[Running]:
    """Serve `document` on loopback ports for the time of a test."""
    if document is not None:
        write(directory / "config", document)
    write_session_key(directory / "secrets")
    chosen = Settings(
        config_directory=directory / "config",
        secrets_directory=directory / "secrets",
        data_directory=directory / "data",
        pod_uid="pod-1",
        host="127.0.0.1",
        **settings,
    )
    parts = services(chosen, clock)
    parts.retry = RetryPolicy(delay_seconds=0, max_delay_seconds=0.5)
    runtime = Runtime(parts)
    await runtime.refresh()
    books = Books(create_api(parts))
    try:
        books.open(parts)
        async with (
            listening(books) as url,
            listening(create_status(parts)) as status_url,
            aiohttp.ClientSession() as http,
        ):
            served = Running(url, status_url, parts, runtime, directory, http)
            served.token = await served.session() if parts.configs.bot else ""
            yield served
        await books.check(parts)
    finally:
        await parts.close()


async def until(check: Callable[[], Any]) -> None:
    """Wait until `check`, which may be asynchronous, finds it so."""
    for _ in range(4000):
        found = check()
        if await found if inspect.isawaitable(found) else found:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come about")


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    # uvicorn's own protocol on a plain listener: its server object takes half a second to stop.
    settings = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False
    )
    settings.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpToolsProtocol(settings, state, {}), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        for connection in list(state.connections):
            connection.shutdown()
        await server.wait_closed()


Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class ScriptedProvider:
    """A provider that plays one reply after the other and keeps what it was sent."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What a server with the published API would have refused."""

    def config(self, **changes: Any) -> dict[str, ProviderConfig]:
        whole = {"name": "main", "type": "OpenAICompatible", "base_url": self.url, "allowed_cidrs": ("127.0.0.0/8",)}
        return {"main": ProviderConfig(**whole | changes)}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()))
        self.faults += faults(request.path, self.bodies[-1])
        self.headers.append(dict(request.headers))
        return await self.replies.pop(0)(request)


@asynccontextmanager
async def scripted(*replies: Reply) -> AsyncIterator[ScriptedProvider]:
    provider = ScriptedProvider(replies=list(replies))
    app = web.Application()
    for path in ("/v1/chat/completions", "/v1/responses"):
        app.router.add_post(path, provider.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    provider.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield provider
    finally:
        await runner.cleanup()
    assert provider.faults == []


@asynccontextmanager
async def played(
    directory: Path,
    *replies: Reply,
    provider: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[Running, ScriptedProvider]]:
    """Serve a bot whose provider plays `replies`; `provider` and `changes` are fields of the configs.

    `settings` are those of the process.
    """
    async with AsyncExitStack() as stack:
        script = await stack.enter_async_context(scripted(*replies))
        document = config(providers=script.config(**provider or {}), **changes)
        yield await stack.enter_async_context(running(directory, document, **settings or {})), script


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def call(arguments: str = "", *, index: int | None = 0, id_: str = "", name: str = "") -> dict[str, Any]:
    """Return a tool call's delta; what is empty is left out."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"function": function} | ({"index": index} if index is not None else {}) | ({"id": id_} if id_ else {})


USAGE = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}


def lines(*chunks: Any, done: bool = True) -> bytes:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


def stream(*pieces: bytes) -> Reply:
    """Return a reply that sends `pieces` one by one."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        return response

    return reply


def says(text: str) -> Reply:
    return stream(lines(delta(role="assistant", content=""), delta(content=text), delta("stop"), USAGE))


def calls(*tool_calls: dict[str, Any]) -> Reply:
    return stream(lines(*(delta(tool_calls=[each]) for each in tool_calls), delta("tool_calls"), USAGE))


def looks_up(key: str = "returns", name: str = "returns-policy") -> Reply:
    return calls(call(json.dumps({"inquiry_type": key}), id_="call_1", name=name))


def refuses(status: int, code: str = "", headers: dict[str, str] | None = None) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": "secret-of-the-provider", "type": "some_error", "code": code or None}}
        return web.json_response(body, status=status, headers=headers)

    return reply
