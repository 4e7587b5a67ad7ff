"""The probe's client against real HTTPS servers on loopback: who answers is known by its certificate and its UID."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from smarter_cluster.pki import Authority, KeyPair, Subject
from smarter_operator.engine import Engine
from smarter_operator.findings import Answer
from smarter_operator.host_client import PATH, HttpsHostClient
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, provider
from support.operator_harness import SETTINGS, ScriptedPods

HOST = "support.acme.example"
LOOPBACK = ("127.0.0.1",)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this system trusts."""
    made = Authority(tmp_path, "visitors")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.pair.certificate))
    return made


@asynccontextmanager
async def server(pair: KeyPair, handler: Handler) -> AsyncIterator[int]:
    """Answer over HTTPS; yields the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK[0], 0, ssl_context=context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def identity(request: web.Request) -> web.Response:
    assert request.path == PATH
    assert request.host.partition(":")[0] == HOST
    return web.json_response({"uid": "me"})


async def test_the_uid_of_the_bot_that_answers_comes_back(authority: Authority) -> None:
    async with server(authority.issue("host", Subject(name=HOST, hosts=(HOST,))), identity) as port:
        assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("Identity", "me")


async def moved(_: web.Request) -> web.Response:
    raise web.HTTPFound("https://127.0.0.1/elsewhere")


async def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Welcome</html>", content_type="text/html")


async def without_uid(_: web.Request) -> web.Response:
    return web.json_response({"uid": ""})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        try:
            await response.write(b" " * 65536)
        except ConnectionError:
            return response


@pytest.mark.parametrize("handler", [moved, page, without_uid, endless], ids=["redirect", "page", "no-uid", "endless"])
async def test_whatever_else_answers_is_not_the_bot(authority: Authority, handler: Handler) -> None:
    async with server(authority.issue("host", Subject(name=HOST, hosts=(HOST,))), handler) as port, asyncio.timeout(20):
        assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("Other")


async def test_a_certificate_for_another_name_is_bad(authority: Authority) -> None:
    async with server(authority.issue("other", Subject(name="other", hosts=("other.example",))), identity) as port:
        assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("BadCertificate")


async def test_a_certificate_that_ran_out_is_bad(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smarter_cluster.pki.LIFETIME", datetime.timedelta(seconds=-1))
    async with server(authority.issue("old", Subject(name=HOST, hosts=(HOST,))), identity) as port:
        assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("BadCertificate")


async def test_an_authority_that_is_not_trusted_says_nothing_about_the_bot(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "stranger")
    async with server(stranger.issue("host", Subject(name=HOST, hosts=(HOST,))), identity) as port:
        assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("Untrusted")


async def test_where_nobody_listens_there_is_no_connection(authority: Authority) -> None:
    async with server(authority.issue("host", Subject(name=HOST, hosts=(HOST,))), identity) as port:
        pass
    assert await HttpsHostClient(port).ask(HOST, LOOPBACK) == Answer("NoConnection")


@pytest.mark.parametrize(
    ("outcome", "addresses"),
    [
        pytest.param(["192.0.2.1", "2001:db8::1"], ("192.0.2.1", "2001:db8::1"), id="found"),
        pytest.param(socket.gaierror(socket.EAI_NONAME, "unknown"), (), id="no-such-name"),
        pytest.param(socket.gaierror(socket.EAI_NODATA, "no address"), (), id="no-address"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "try again"), None, id="no-server"),
        pytest.param(TimeoutError(), None, id="no-answer"),
    ],
)
async def test_no_such_name_is_told_apart_from_no_answer(
    outcome: list[str] | Exception, addresses: tuple[str, ...] | None
) -> None:
    names = []

    async def lookup(name: str) -> Sequence[str]:
        names.append(name)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert await HttpsHostClient(443, lookup).resolve(HOST) == addresses
    assert names == [f"{HOST}."], "the search domains of the operator's pod have no say"


async def test_a_bot_behind_a_real_server_becomes_reachable(authority: Authority) -> None:
    cluster = FakeCluster()
    cluster.create(provider())
    bot = cluster.create(chatbot(exposure=exposed()))

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"uid": bot["metadata"]["uid"]})

    async def lookup(_: str) -> Sequence[str]:
        return LOOPBACK

    settings = SETTINGS.model_copy(update={"probe_seconds": 0.05})
    async with server(authority.issue("host", Subject(name=HOST, hosts=(HOST,))), answer) as port:
        engine = Engine(cluster, ScriptedPods(), settings, host_client=HttpsHostClient(port, lookup))
        cluster.on_change = lambda kind, manifest, gone: engine.event(kind, manifest, gone=gone)
        working = asyncio.create_task(engine.run())

        async def reachable(status: str) -> None:
            while True:
                conditions = cluster.get("Chatbot", "support").get("status", {}).get("conditions", [])
                if [c["status"] for c in conditions if c["type"] == "Reachable"] == [status]:
                    return
                await asyncio.sleep(0.02)

        async with asyncio.timeout(30):
            await reachable("Unknown")
            entry = {"loadBalancer": {"ingress": [{"ip": LOOPBACK[0]}]}}
            cluster.edit("Ingress", "support", status=entry)
            await reachable("True")
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
