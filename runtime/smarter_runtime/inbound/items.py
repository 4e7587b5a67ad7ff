"""The conversation of a request in OpenAI's Responses: a text, or items, of which calls and results are their own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from smarter_runtime.errors import invalid
from smarter_runtime.events import Message, ToolCall
from smarter_runtime.inbound import Reader
from smarter_runtime.inbound.messages import (
    Placed,
    check,
    check_context,
    check_count,
    content,
    context,
    issued_call,
    said,
    tool_result,
    unknown_call,
)
from smarter_runtime.inbound.values import Given, mapping, only, text

_MESSAGE = frozenset({"type", "role", "content", "id", "status", "phase"})
_CALL = frozenset({"type", "call_id", "name", "arguments", "id", "status"})
_OUTPUT = frozenset({"type", "call_id", "output", "id", "status"})


def conversation(value: Any, reader: Reader) -> tuple[Placed, ...]:
    """Return the messages that `input` stands for.

    Raises:
        ApiError: with a sentence that names the place.
    """
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise invalid("`input` must be a text or a list with at least one item.", "input")
    check_count(len(value), "input", reader)
    gatherer = _Gatherer(reader)
    read = [each for index, item in enumerate(value) for each in gatherer.take(item, f"input[{index}]")]
    read += gatherer.finished()
    if not read:
        raise invalid("`input` holds no message.", "input")
    check(read, "input", reader)
    return tuple(read)


@dataclass
class _Answer:
    """An answer that called tools, as far as its items have come."""

    turn: str | None
    place: str
    said: str
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Placed] = field(default_factory=list)

    def messages(self) -> Iterator[Placed]:
        yield Placed(self.place, Message("assistant", self.said, tuple(self.calls)))
        yield from self.results


class _Gatherer:
    """Puts together what belongs to one answer: its text, its calls, and then their results in whatever order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._answer: _Answer | None = None

    def take(self, item: Any, place: str) -> Iterator[Placed]:
        """Yield the messages that are whole now that `item` has come."""
        given = mapping(item, place)
        kind = given.get("type", "message")
        if kind == "function_call":
            yield from self._call(given, place)
        elif kind == "function_call_output":
            self._output(given, place)
        elif kind == "message":
            yield from self._message(given, place)
        elif kind != "reasoning":
            # What a model of somebody else's thought means nothing to this one; everything else would be missed.
            message = f"`{place}.type` must be 'message', 'function_call' or 'function_call_output'."
            raise invalid(message, f"{place}.type", "unsupported_content")

    def finished(self) -> Iterator[Placed]:
        if self._answer:
            yield from self._answer.messages()
        self._answer = None

    def _message(self, given: Given, place: str) -> Iterator[Placed]:
        yield from self.finished()
        only(given, _MESSAGE, place)
        role = given.get("role")
        if role == "assistant":
            self._answer = _Answer(None, place, content(given.get("content"), f"{place}.content"))
        elif role in ("system", "developer"):
            check_context(role, f"{place}.role", self._reader)
            yield Placed(place, context(said(given, place)))
        elif role == "user":
            yield Placed(place, Message("user", said(given, place)))
        else:
            raise invalid(f"`{place}.role` must be 'user', 'assistant', 'system' or 'developer'.", f"{place}.role")

    def _call(self, given: Given, place: str) -> Iterator[Placed]:
        only(given, _CALL, place)
        arguments = given.get("arguments")
        call = ToolCall(
            text(given, "call_id", place), text(given, "name", place), arguments if isinstance(arguments, str) else ""
        )
        turn = self._reader.turn_of(issued_call(call, place, self._reader))
        if self._answer is None or self._answer.turn not in (None, turn):
            yield from self.finished()
            self._answer = _Answer(turn, place, "")
        self._answer.turn = turn
        self._answer.calls.append(call)

    def _output(self, given: Given, place: str) -> None:
        only(given, _OUTPUT, place)
        if self._answer is None:
            raise unknown_call(place)
        result = tool_result(text(given, "call_id", place), content(given.get("output"), f"{place}.output"))
        self._answer.results.append(Placed(place, result))
