"""The HTTP session under the watches: paces their requests, notes what arrives, and makes every fault one that passes.

The library above gives up, and ends the process, when a watch reports an unknown error, when an answer is no JSON, or
when a collection is not there. Here such an answer becomes a broken connection, after which the library asks again.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from kubernetes.aio.client.configuration import Configuration

from smarter_operator.kinds import NAMESPACE, WATCHED
from smarter_operator.kubernetes_cluster import Handler, new_session
from smarter_operator.streams import Stream, Streams

logger = logging.getLogger(__name__)

GAP_SECONDS = 1.0
"""So far apart are requests of one stream on average; failures double it."""

LONGEST_GAP_SECONDS = 8.0

_LIST_ANEW = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
_PLURALS = {(kind.group, kind.version, kind.plural): kind.name for kind in (*WATCHED, NAMESPACE)}


def watch_session(configuration: Configuration, streams: Streams) -> aiohttp.ClientSession:
    """Open a session for the watches; it tells `streams` what it sees."""
    return new_session(configuration, 0, Watches(streams), Contact(streams))


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
class Pace:
    """When the requests of one stream may begin: two at once, for a watch follows its list, then none for a while."""

    _gap: float = GAP_SECONDS
    _last: float = float("-inf")
    _last_but_one: float = float("-inf")
    _not_before: float = float("-inf")

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._last_but_one + 2 * self._gap, self._not_before, loop.time()) - loop.time())
        self._last_but_one, self._last = self._last, loop.time()

    def failed(self, retry_after_seconds: float = 0) -> None:
        self._gap = min(self._gap * 2, LONGEST_GAP_SECONDS) * random.uniform(0.8, 1)
        self._not_before = asyncio.get_running_loop().time() + retry_after_seconds

    def succeeded(self) -> None:
        self._gap = GAP_SECONDS


@dataclass
class Watches:
    """A middleware for the lists and watches of what we watch, and for all else that the library asks."""

    streams: Streams
    _paces: dict[Stream, Pace] = field(default_factory=dict)

    async def __call__(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        stream = stream_of(request.url.path)
        if stream is None:
            return await _usable(request, handler)
        pace = self._paces.setdefault(stream, Pace())
        with self.streams.asking(stream):
            # The pages of a list follow each other at once, for together they are one.
            if "continue" not in request.url.query:
                await pace.wait()
            try:
                response = await _usable(request, handler)
            except aiohttp.ClientConnectionError:
                pace.failed()
                raise
        if "watch" in request.url.query and response.status in (200, 410):
            events = _Events(response.content, self.streams, stream, pace, is_gone=response.status == 410)
            response.status, response.content = 200, events  # type: ignore[assignment]
        elif response.status >= 300:
            pace.failed(_seconds(response.headers.get("Retry-After")))
        else:
            self.streams.heard(stream)
        return response


@dataclass
class _Events:
    """The body of a watch, as far as the library uses it: only lines that are events."""

    content: aiohttp.StreamReader
    streams: Streams
    stream: Stream
    pace: Pace
    is_gone: bool = False
    """Whether the server refused the watch because it begins too far back."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        if self.is_gone:
            yield _LIST_ANEW
            return
        rest, count = b"", 0
        with self.streams.asking(self.stream):
            async for chunk in self.content.iter_chunked(size):
                *lines, rest = (rest + chunk).split(b"\n")
                count += len(lines)
                for line in lines:
                    yield self._event(line) + b"\n"
        if count == 0:
            self.pace.failed()

    def _event(self, line: bytes) -> bytes:
        try:
            event = orjson.loads(line)
            is_error, found = event["type"] == "ERROR", dict(event["object"])
        except (ValueError, KeyError, TypeError) as error:
            self.pace.failed()
            raise aiohttp.ClientPayloadError(f"the watch of {self.stream[0]} brought what is no event") from error
        if is_error:
            return self._error(found)
        self.pace.succeeded()
        self.streams.heard(self.stream)
        return line

    def _error(self, status: Mapping[str, Any]) -> bytes:
        """Whatever is wrong with the watch, a new list sets it right, and that is what the library does at 410."""
        if status.get("code") != 410:
            extra = {"kind": self.stream[0], "code": status.get("code"), "error": status.get("message")}
            logger.warning("watch failed", extra=extra)
            details = status.get("details")
            self.pace.failed(_seconds(details.get("retryAfterSeconds") if isinstance(details, Mapping) else None))
        return _LIST_ANEW


async def _usable(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Return an answer with which the library can go on.

    Raises:
        aiohttp.ClientConnectionError: for any other; then the library asks again.
        aiohttp.ClientPayloadError: for a page of a list that the server has forgotten; then it lists from the start.
    """
    is_watch, is_page = "watch" in request.url.query, "continue" in request.url.query
    try:
        response = await handler(request)
        if response.status < 300 and not is_watch:
            orjson.loads(await response.read())
    except aiohttp.ClientConnectionError:
        raise
    except (aiohttp.ClientError, ValueError) as error:
        raise aiohttp.ClientConnectionError(f"{request.url.path} has no usable answer: {error!r}") from error
    if response.status == 410 and is_page:
        raise aiohttp.ClientPayloadError(f"the list of {request.url.path} took too long")
    passes = response.status < 300 or response.status in (403, 429) or response.status >= 500
    if not passes and not (is_watch and response.status == 410):
        raise aiohttp.ClientConnectionError(f"{request.url.path} was answered with {response.status}")
    return response


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


def _seconds(asked: object) -> float:
    """Return for how long the server asks us to wait; it may also say it as a date, which nobody does."""
    text = str(asked)
    return float(text) if text.isdigit() else 0.0
