"""What is taken in of lists and watches, and what the library above sees, also when the API server misbehaves."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import Kind
from smarter_operator.pace import LONGEST_GAP_SECONDS, Pace
from smarter_operator.streams import Streams
from smarter_operator.watch_session import Contact, Watches, stream_of
from support.virtual_time import virtual_time

PLUGINS = "/apis/smarter.sh/v1alpha1/plugins"
NAMESPACES = "/api/v1/namespaces"
MANIFEST = {"kind": "Plugin", "metadata": {"name": "returns", "resourceVersion": "5"}}
EVENT = {"type": "ADDED", "object": MANIFEST}
LIST_ANEW = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Taken:
    """Notes what it is given; a Plugin without a spec is too much for it."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.events: list[tuple[str, str, bool]] = []
        """Kind, name, and whether it is gone."""
        self.lists = 0

    def event(self, kind: Kind, manifest: Manifest, *, gone: bool) -> None:
        if manifest.get("spec", {}) is None:
            raise TypeError("no spec")
        assert (manifest["kind"], manifest.get("apiVersion", kind.api_version)) == (kind.name, kind.api_version)
        self.events.append((kind.name, manifest["metadata"]["name"], gone))

    def relisted(self) -> None:
        self.lists += 1


@asynccontextmanager
async def asking(answer: Answer) -> AsyncIterator[tuple[Callable[[str], Awaitable[list[object]]], Taken]]:
    """Yield a function that asks as the library does, and what is taken in meanwhile."""
    app, taken = web.Application(), Taken(Streams())
    app.router.add_get("/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(Watches(taken.streams, taken), Contact(taken.streams))) as session,
    ):

        async def ask(path: str) -> list[object]:
            async with session.get(server.make_url(path)) as response:
                if "watch" not in path:
                    return [response.status, await response.json()]
                return [json.loads(line) async for chunk in response.content.iter_chunked(1024) for line in [chunk]]

        yield ask, taken


def event(what: str, version: int, name: str = "returns") -> object:
    return {"type": what, "object": {"kind": "Plugin", "metadata": {"name": name, "resourceVersion": str(version)}}}


def bookmark(version: int) -> object:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


def lines(*events: object) -> Answer:
    body = b"".join(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n" for event in events)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    return answer


def status(code: int, body: str = "{}", content_type: str = "application/json") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body, content_type=content_type)

    return answer


async def test_events_are_taken_in_and_the_library_gets_a_bookmark_of_where_they_end() -> None:
    brought = lines(event("ADDED", 5), event("MODIFIED", 6), event("DELETED", 9), event("ADDED", 10, "orders"))
    async with asking(brought) as (ask, taken):
        assert await ask(f"{PLUGINS}?watch=true") == [bookmark(10)]
    assert taken.events == [
        ("Plugin", "returns", False),
        ("Plugin", "returns", False),
        ("Plugin", "returns", True),
        ("Plugin", "orders", False),
    ]
    assert list(taken.streams.staleness()) == ["Plugin"]


async def test_a_bookmark_passes_and_is_noted() -> None:
    async with asking(lines(bookmark(7))) as (ask, taken):
        assert await ask(f"{PLUGINS}?watch=true") == [bookmark(7)]
        assert (taken.events, list(taken.streams.staleness())) == ([], ["Plugin"])


async def test_what_the_library_watches_for_itself_passes() -> None:
    seen = {"type": "ADDED", "object": {"kind": "Namespace", "metadata": {"name": "acme", "resourceVersion": "5"}}}
    async with asking(lines(seen, bookmark(7))) as (ask, taken):
        assert await ask(f"{NAMESPACES}?watch=true") == [seen, bookmark(7)]
    async with asking(status(200, json.dumps({"items": [seen["object"]]}))) as (ask, _):
        assert await ask(NAMESPACES) == [200, {"items": [seen["object"]]}]
    assert taken.events == []


async def test_an_object_that_cannot_be_taken_in_does_not_keep_the_stream_from_going_on() -> None:
    odd = {"type": "ADDED", "object": {"kind": "Plugin", "spec": None, "metadata": {"resourceVersion": "4"}}}
    async with asking(lines(odd, EVENT)) as (ask, taken):
        assert await ask(f"{PLUGINS}?watch=true") == [bookmark(5)]
    assert taken.events == [("Plugin", "returns", False)]


@pytest.mark.parametrize(
    ("page", "lists"),
    [
        pytest.param({"metadata": {"resourceVersion": "9"}}, 1, id="whole"),
        pytest.param({"metadata": {"resourceVersion": "9", "continue": "token"}}, 0, id="more-to-come"),
        pytest.param({"metadata": {"resourceVersion": "9", "continue": ""}}, 1, id="last-page"),
    ],
)
async def test_a_list_is_taken_in_and_the_library_gets_it_without_items(page: Manifest, lists: int) -> None:
    items = [{"metadata": {"name": name}} for name in ("returns", "orders")]
    async with asking(status(200, json.dumps({**page, "items": items}))) as (ask, taken):
        assert await ask(PLUGINS) == [200, {**page, "items": []}]
    assert taken.events == [("Plugin", "returns", False), ("Plugin", "orders", False)]
    assert taken.lists == lists


async def test_a_list_of_nothing_is_a_list_too() -> None:
    async with asking(status(200, '{"metadata": {}, "items": null}')) as (ask, taken):
        assert await ask(PLUGINS) == [200, {"metadata": {}, "items": []}]
    assert (taken.events, taken.lists) == ([], 1)


@pytest.mark.parametrize("code", [429, 500, 504, None])
async def test_an_error_event_makes_the_library_list_anew(code: int | None) -> None:
    error = {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "etcd is busy"}}
    async with asking(lines(EVENT, error)) as (ask, taken):
        assert await ask(f"{PLUGINS}?watch=true") == [LIST_ANEW]
    assert taken.events == [("Plugin", "returns", False)]


async def test_a_watch_that_the_server_refuses_for_its_age_makes_the_library_list_anew() -> None:
    async with asking(status(410)) as (ask, _):
        assert await ask(f"{PLUGINS}?watch=true") == [LIST_ANEW]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"<html>\n", id="no-json"),
        pytest.param(b"[]\n", id="no-object"),
        pytest.param(b'{"type":"ADDED"}\n', id="no-manifest"),
        pytest.param(b'{"type":"ADDED","object":null}\n', id="null-for-a-manifest"),
        pytest.param(b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n', id="no-version"),
        pytest.param(b"\xff\xfe\x00\n", id="binary"),
    ],
)
async def test_garbage_in_a_watch_breaks_the_connection_and_not_the_library(line: bytes) -> None:
    async with asking(lines(EVENT, line)) as (ask, _):
        with pytest.raises(aiohttp.ClientPayloadError, match="Plugin"):
            await ask(f"{PLUGINS}?watch=true")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(200, "<html>", "text/html"), id="a-page"),
        pytest.param(status(200, '{"items": [{"metadata"'), id="half-a-list"),
        pytest.param(status(404), id="a-collection-that-is-not-there"),
        pytest.param(status(400), id="a-refusal"),
        pytest.param(status(401), id="a-token-that-is-not-known-yet"),
    ],
)
@pytest.mark.parametrize("path", [PLUGINS, "/apis"])
async def test_a_useless_answer_counts_as_a_broken_connection_which_the_library_tries_again(
    path: str, answer: Answer
) -> None:
    async with asking(answer) as (ask, _):
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask(path)


async def test_a_page_that_the_server_has_forgotten_makes_the_library_list_from_the_start() -> None:
    async with asking(status(410)) as (ask, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(f"{PLUGINS}?limit=500&continue=token")


async def test_the_pages_of_one_list_follow_each_other_at_once() -> None:
    async with asking(status(200)) as (ask, _), asyncio.timeout(10):
        for _ in range(30):
            await ask(f"{PLUGINS}?limit=500&continue=token")


@pytest.mark.parametrize("code", [403, 429, 500, 503])
async def test_what_the_library_tries_again_by_itself_passes(code: int) -> None:
    async with asking(status(code)) as (ask, _):
        assert await ask(PLUGINS) == [code, {}]


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        pytest.param(PLUGINS, ("Plugin", ""), id="all-namespaces"),
        pytest.param("/api/v1/namespaces/acme/pods", ("Pod", "acme"), id="one-namespace"),
        pytest.param("/api/v1/nodes", None, id="not-watched-by-us"),
        pytest.param("/apis/smarter.sh/v1alpha1", None, id="a-group"),
        pytest.param("/api", None, id="the-root"),
        pytest.param("/api/v1/namespaces/acme/pods/a", None, id="one-object"),
    ],
)
def test_streams_are_told_by_their_path(path: str, stream: tuple[str, str] | None) -> None:
    assert stream_of(path) == stream


async def begin(pace: Pace, seconds: float, fails: bool) -> list[float]:
    """Begin requests for so long, each as soon as it may. Returns when they began."""
    loop, begun = asyncio.get_running_loop(), []
    while loop.time() < seconds:
        await pace.wait()
        begun.append(loop.time())
        if fails:
            pace.failed()
        else:
            pace.succeeded()
    return begun


@virtual_time
async def test_a_list_and_its_watch_begin_at_once_and_then_there_is_no_more_than_one_request_a_second() -> None:
    begun = await begin(Pace(), 60, fails=False)
    assert begun[:4] == [0, 0, 2, 2]
    assert len(begun) <= 62


@virtual_time
async def test_a_stream_that_fails_is_asked_for_more_and_more_rarely_but_soon_enough_after_an_outage() -> None:
    begun = await begin(Pace(), 600, fails=True)
    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert max(gaps) <= 2 * LONGEST_GAP_SECONDS
    assert len(begun) < 600 / LONGEST_GAP_SECONDS * 1.5


@virtual_time
async def test_a_stream_waits_as_long_as_the_server_asks() -> None:
    pace = Pace()
    await pace.wait()
    pace.failed(retry_after_seconds=40)
    await pace.wait()
    assert asyncio.get_running_loop().time() == 40
