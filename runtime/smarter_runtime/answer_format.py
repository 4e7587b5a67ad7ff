"""What every format fulfils in which an answer goes to a client: pieces of a stream, or one document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from smarter_runtime.confirmations import Offer
from smarter_runtime.events import FinishReason, ToolCall, Usage


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an answer ended."""

    finish_reason: FinishReason
    usage: Usage
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    """Of the client's own tools."""
    confirmations: tuple[Offer, ...] = ()
    """Calls that wait for the person's word."""


class AnswerFormat(Protocol):
    """One answer in one format. The stream's parts are asked for in the order in which they are sent."""

    @property
    def id(self) -> str:
        """The answer's name in all that is said of it."""

    def opening(self) -> bytes:
        """What a stream begins with, before there is anything to say."""

    def text(self, delta: str) -> bytes: ...

    def calls(self, calls: Sequence[ToolCall]) -> bytes: ...

    def confirmations(self, offers: Sequence[Offer]) -> bytes:
        """What tells the client that calls wait for the person's word; it may be said later, in the ending."""

    def heartbeat(self) -> bytes:
        """A piece that says nothing and that every SDK understands."""

    def ending(self, finish_reason: FinishReason, usage: Usage) -> bytes: ...

    def failure(self, body: Mapping[str, Any]) -> bytes:
        """The end of a stream that broke, so that nobody takes the answer for whole."""

    def document(self, outcome: Outcome) -> bytes: ...
