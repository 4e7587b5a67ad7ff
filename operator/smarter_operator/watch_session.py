"""The HTTP session under the watches: paces requests, takes in what arrives, and makes every fault one that passes.

The library above gives up, and ends the process, when a watch reports an unknown error, when an answer is no JSON, or
when a collection is not there. Here such an answer becomes a broken connection, after which the library asks again.

What it lists and watches is handed on from here, and the library gets lists without items and bookmarks for events: so
it keeps its place in the stream, and does not spend on each event more than everything else does that comes of it.
"""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client.configuration import Configuration

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME, NAMESPACE, WATCHED, Kind
from smarter_operator.kubernetes_cluster import Handler, new_session
from smarter_operator.pace import Pace
from smarter_operator.streams import Stream, Streams
from smarter_operator.watch_events import Events, Taker, hand_on, retry_after_seconds

_PLURALS = {(kind.group, kind.version, kind.plural): kind.name for kind in (*WATCHED, NAMESPACE)}


def watch_session(configuration: Configuration, streams: Streams, taker: Taker) -> aiohttp.ClientSession:
    """Open a session for the watches; it tells `streams` and `taker` what it sees."""
    return new_session(configuration, 0, Watches(streams, taker), Contact(streams))


@dataclass
class Contact:
    """A middleware that notes whether the API server answers."""

    streams: Streams

    async def __call__(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        try:
            response = await handler(request)
        except BaseException:
            # Also when the caller lost patience.
            self.streams.unanswered()
            raise
        # 500 is the answer to a bad webhook or object; these say that nobody has time for us.
        if response.status in (429, 502, 503, 504):
            self.streams.unanswered()
        else:
            self.streams.answered()
        return response


@dataclass
class Watches:
    """A middleware for the lists and watches of what we watch, and for all else that the library asks."""

    streams: Streams
    taker: Taker
    _paces: dict[Stream, Pace] = field(default_factory=dict)

    async def __call__(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        stream = stream_of(request.url.path)
        if stream is None:
            return (await _usable(request, handler))[0]
        pace = self._paces.setdefault(stream, Pace())
        with self.streams.asking(stream):
            # The pages of a list follow each other at once, for together they are one.
            if "continue" not in request.url.query:
                await pace.wait()
            try:
                response, answer = await _usable(request, handler)
            except aiohttp.ClientConnectionError:
                pace.failed()
                raise
        if "watch" in request.url.query and response.status in (200, 410):
            taker = _taker(stream, self.taker)
            events = Events(response.content, self.streams, stream, pace, taker, is_gone=response.status == 410)
            response.status, response.content = 200, events  # type: ignore[assignment]
        elif response.status >= 300:
            pace.failed(retry_after_seconds(response.headers.get("Retry-After")))
        else:
            self.streams.heard(stream)
            if (taker := _taker(stream, self.taker)) and isinstance(answer, dict):
                response._body = orjson.dumps(_taken(BY_NAME[stream[0]], answer, taker))
        return response


def _taker(stream: Stream, taker: Taker) -> Taker | None:
    """Return who takes in the stream; the library itself needs to see namespaces."""
    return None if stream[0] == NAMESPACE.name else taker


def _taken(kind: Kind, page: Manifest, taker: Taker) -> Manifest:
    """Hand on the items of a page of a list. Returns the page without them."""
    for item in page.get("items") or []:
        hand_on(kind, {"apiVersion": kind.api_version, "kind": kind.name, **item}, taker, gone=False)
    if not page.get("metadata", {}).get("continue"):
        taker.relisted()
    return {**page, "items": []}


async def _usable(request: aiohttp.ClientRequest, handler: Handler) -> tuple[aiohttp.ClientResponse, Any]:
    """Return an answer with which the library can go on, and its JSON if it is no watch.

    Raises:
        aiohttp.ClientConnectionError: for any other; then the library asks again.
        aiohttp.ClientPayloadError: for a page of a list that the server has forgotten; then it lists from the start.
    """
    is_watch, is_page = "watch" in request.url.query, "continue" in request.url.query
    answer: Any = None
    try:
        response = await handler(request)
        if response.status < 300 and not is_watch:
            answer = orjson.loads(await response.read())
    except aiohttp.ClientConnectionError:
        raise
    except (aiohttp.ClientError, ValueError) as error:
        raise aiohttp.ClientConnectionError(f"{request.url.path} has no usable answer: {error!r}") from error
    if response.status == 410 and is_page:
        raise aiohttp.ClientPayloadError(f"the list of {request.url.path} took too long")
    passes = response.status < 300 or response.status in (403, 429) or response.status >= 500
    if not passes and not (is_watch and response.status == 410):
        raise aiohttp.ClientConnectionError(f"{request.url.path} was answered with {response.status}")
    return response, answer


def stream_of(path: str) -> Stream | None:
    """Return which stream the path of a collection belongs to, or None when it is none of ours."""
    match path.strip("/").split("/"):
        case ["api", version, *scope]:
            group = ""
        case ["apis", group, version, *scope]:
            pass
        case _:
            return None
    match scope:
        case [plural]:
            namespace = ""
        case ["namespaces", namespace, plural]:
            pass
        case _:
            return None
    kind_name = _PLURALS.get((group, version, plural))
    return (kind_name, namespace) if kind_name else None
