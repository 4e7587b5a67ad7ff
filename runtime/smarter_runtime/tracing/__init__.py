"""Spans of what happens in a request, for whoever traces; a bot without a collector tells nothing and loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Literal, Protocol

Attributes = Mapping[str, str | int | float | bool | Sequence[str]]
SpanKind = Literal["Server", "Internal", "Client"]

outgoing: ContextVar[Mapping[str, str]] = ContextVar("outgoing", default=MappingProxyType({}))
"""Headers for the requests of the span that was opened last, so that what they cause elsewhere is known as its part."""

trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""For the log; empty where nothing is traced."""


class Span(Protocol):
    """Something that has begun."""

    def end(self, attributes: Callable[[], Attributes], *, name: str = "", error: str = "") -> None:
        """Tell how it went; `error` is a word of ours, and empty if all went well. No content, whatever it is of.

        `attributes` is called only where somebody traces.
        """
        ...


class Tracer(Protocol):
    """Makes spans. Neither call waits for anything, nor fails."""

    def enter(self, kind: SpanKind, name: str, caller: Mapping[str, str] | None = None) -> Span:
        """Begin what contains all that follows in this task; `caller` are the headers of a request that it answers."""
        ...

    def begin(self, kind: SpanKind, name: str) -> Span:
        """Begin a part of what was entered last."""
        ...

    async def close(self) -> None:
        """Send what is left, if that takes no longer than a moment."""
        ...


class _Nothing:
    def end(self, attributes: Callable[[], Attributes], *, name: str = "", error: str = "") -> None: ...


class Untraced:
    """The tracer of a bot that nobody traces."""

    _nothing = _Nothing()

    def enter(self, kind: SpanKind, name: str, caller: Mapping[str, str] | None = None) -> Span:
        return self._nothing

    def begin(self, kind: SpanKind, name: str) -> Span:
        return self._nothing

    async def close(self) -> None: ...
