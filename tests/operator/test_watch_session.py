"""What the library under the watches gets to see when the API server misbehaves."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from smarter_operator.streams import Streams
from smarter_operator.watch_session import LONGEST_GAP_SECONDS, Contact, Pace, Watches, stream_of
from support.virtual_time import virtual_time

PLUGINS = "/apis/smarter.sh/v1alpha1/plugins"
EVENT = {"type": "ADDED", "object": {"kind": "Plugin", "metadata": {"name": "returns"}}}
BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}
LIST_ANEW = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def asking(answer: Answer) -> AsyncIterator[tuple[Callable[[str], Awaitable[list[object]]], Streams]]:
    """Yield a function that asks as the library does, and what is known of the streams."""
    app, streams = web.Application(), Streams()
    app.router.add_get("/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(Watches(streams), Contact(streams))) as session,
    ):

        async def ask(path: str) -> list[object]:
            async with session.get(server.make_url(path)) as response:
                if "watch" not in path:
                    return [response.status, await response.json()]
                return [json.loads(line) async for chunk in response.content.iter_chunked(1024) for line in [chunk]]

        yield ask, streams


def lines(*events: object) -> Answer:
    body = b"".join(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n" for event in events)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    return answer


def status(code: int, body: str = "{}", content_type: str = "application/json") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body, content_type=content_type)

    return answer


async def test_events_and_bookmarks_pass_and_are_noted() -> None:
    async with asking(lines(EVENT, BOOKMARK)) as (ask, streams):
        assert await ask(f"{PLUGINS}?watch=true") == [EVENT, BOOKMARK]
        assert list(streams.staleness()) == ["Plugin"]


@pytest.mark.parametrize("code", [429, 500, 504, None])
async def test_an_error_event_makes_the_library_list_anew(code: int | None) -> None:
    error = {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "etcd is busy"}}
    async with asking(lines(EVENT, error)) as (ask, _):
        assert await ask(f"{PLUGINS}?watch=true") == [EVENT, LIST_ANEW]


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
