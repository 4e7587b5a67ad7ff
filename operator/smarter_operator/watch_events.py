"""The body of a watch: its events are handed on, and the library above gets bookmarks in their place."""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import aiohttp
import orjson

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME, Kind
from smarter_operator.pace import Pace
from smarter_operator.streams import Stream, Streams

logger = logging.getLogger(__name__)

_LIST_ANEW = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'


class Taker(Protocol):
    """Takes in what the watches bring."""

    def event(self, kind: Kind, manifest: Manifest, *, gone: bool) -> None: ...

    def relisted(self) -> None:
        """Be told that a watch began anew with a list; what vanished meanwhile produces no event."""


@dataclass
class Events:
    """The body of a watch, as far as the library uses it: only lines that are events."""

    content: aiohttp.StreamReader
    streams: Streams
    stream: Stream
    pace: Pace
    taker: Taker | None
    """Who takes in the events; None: the library does."""
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
                for line in self._passed_on(lines):
                    yield line + b"\n"
        if count == 0:
            self.pace.failed()

    def _passed_on(self, lines: list[bytes]) -> Iterator[bytes]:
        """Yield for the library all of `lines`, or of those that are taken in here the place at which they end."""
        place = ""
        for line in lines:
            event = self._parsed(line)
            if event.type == "ERROR":
                # After it the library lists anew, from wherever it was.
                yield self._error(event.object)
                return
            self.pace.succeeded()
            self.streams.heard(self.stream)
            if self.taker is None:
                yield line
                continue
            place = event.version
            if event.type != "BOOKMARK":
                hand_on(BY_NAME[self.stream[0]], event.object, self.taker, gone=event.type == "DELETED")
        if place:
            yield orjson.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": place}}})

    def _parsed(self, line: bytes) -> "_Event":
        try:
            event = orjson.loads(line)
            found = dict(event["object"])
            version = "" if event["type"] == "ERROR" else found["metadata"]["resourceVersion"]
        except (ValueError, KeyError, TypeError) as error:
            self.pace.failed()
            raise aiohttp.ClientPayloadError(f"the watch of {self.stream[0]} brought what is no event") from error
        return _Event(event["type"], found, version)

    def _error(self, status: Mapping[str, Any]) -> bytes:
        """Whatever is wrong with the watch, a new list sets it right, and that is what the library does at 410."""
        if status.get("code") != 410:
            extra = {"kind": self.stream[0], "code": status.get("code"), "error": status.get("message")}
            logger.warning("watch failed", extra=extra)
            details = status.get("details")
            self.pace.failed(
                retry_after_seconds(details.get("retryAfterSeconds") if isinstance(details, Mapping) else None)
            )
        return _LIST_ANEW


class _Event(NamedTuple):
    type: str
    object: Manifest
    version: str


def hand_on(kind: Kind, manifest: Manifest, taker: Taker, *, gone: bool) -> None:
    """Give an object to the taker."""
    try:
        taker.event(kind, manifest, gone=gone)
    except Exception:
        # The border: an object that is like none we know must not keep the stream from going on.
        logger.exception("event not taken in", extra={"kind": kind.name})


def retry_after_seconds(asked: object) -> float:
    """Return for how long the server asks us to wait; it may also say it as a date, which nobody does."""
    text = str(asked)
    return float(text) if text.isdigit() else 0.0
