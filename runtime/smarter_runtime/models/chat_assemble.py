"""Puts a provider's message together from its deltas, whatever the provider makes of the format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from smarter_runtime.events import Event, Finish, FinishReason, Reasoning, Text, ToolCall, Usage
from smarter_runtime.models.values import count, items, json_object, mapping, text

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_NOT_KEPT = frozenset({"role", "content", "tool_calls", "function_call", "refusal"})


@dataclass
class PartialCall:
    """A tool call of which more may come."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def add(self, delta: Mapping[str, Any]) -> None:
        function = mapping(delta.get("function"))
        self.id = self.id or text(delta.get("id"))
        # Some servers repeat the name in every delta.
        self.name = self.name or text(function.get("name"))
        arguments = function.get("arguments")
        self.arguments += arguments if isinstance(arguments, str) else _as_json(arguments)
        self.extra |= {name: value for name, value in delta.items() if name not in ("index", "id", "type", "function")}

    def raw(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": json_object(self.arguments)}
        return {"id": self.id, "type": "function", "function": function, **self.extra}


def _only_text(chunk: Mapping[str, Any]) -> str:
    """Return the text of a chunk that says nothing besides, as most do; empty for any other."""
    try:
        [choice] = chunk["choices"]
        delta = choice["delta"]
        said = delta["content"]
    except (KeyError, TypeError, ValueError):
        return ""
    is_alone = len(delta) == 1 and not choice.get("finish_reason") and not chunk.get("usage")
    return said if is_alone and isinstance(said, str) else ""


class ChatAssembler:
    """Takes the chunks of one stream, gives events, and remembers the whole message."""

    is_over = False
    """Never known: usage follows the finish reason, and `[DONE]` is no chunk."""

    def __init__(self) -> None:
        self._text = ""
        self._calls: list[PartialCall] = []
        self._extra: dict[str, Any] = {}
        self.finish_reason = ""

    @property
    def is_whole(self) -> bool:
        return bool(self.finish_reason)

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        said = _only_text(chunk)
        if not said:
            return self._whole(chunk)
        self._text += said
        return iter((Text(said),))

    def _whole(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        usage = mapping(chunk.get("usage"))
        if usage:
            yield _usage(usage)
        for choice in items(chunk.get("choices"))[:1]:
            choice = mapping(choice)
            # A server that does not stream sends the whole message at once.
            yield from self._delta(mapping(choice.get("delta") or choice.get("message")))
            self.finish_reason = text(choice.get("finish_reason")) or self.finish_reason

    def end(self) -> Iterator[Event]:
        """Give the tool calls, which are whole only now, and the end of the round."""
        for number, call in enumerate(self._calls):
            call.id = call.id or f"call_{number}"
            yield ToolCall(call.id, call.name, call.arguments)
        reason = _FINISH_REASONS.get(self.finish_reason, "stop")
        yield Finish("tool_calls" if self._calls and reason == "stop" else reason, self._raw())

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._content(delta.get("content"))
        refusal = text(delta.get("refusal"))
        if refusal:
            self._text += refusal
            yield Text(refusal)
        for name in _REASONING_FIELDS:
            if isinstance(delta.get(name), str) and delta[name]:
                yield Reasoning(delta[name])
                break
        for call in items(delta.get("tool_calls")):
            self._add_call(mapping(call))
        for name, value in delta.items():
            if name not in _NOT_KEPT and value is not None:
                self._extra[name] = _joined(self._extra.get(name), value)

    def _content(self, content: Any) -> Iterator[Event]:
        if isinstance(content, str):
            if content:
                self._text += content
                yield Text(content)
            return
        for part in map(mapping, items(content)):
            said = text(part.get("text"))
            if said:
                self._text += said
                yield Text(said)
            for thought in map(mapping, items(part.get("thinking"))):
                yield Reasoning(text(thought.get("text")))

    def _add_call(self, delta: Mapping[str, Any]) -> None:
        index = delta.get("index")
        id_, name = text(delta.get("id")), text(mapping(delta.get("function")).get("name"))
        call = self._call_of(index if isinstance(index, int) else None, id_, name)
        if call is None:
            call = PartialCall(index if isinstance(index, int) else None)
            self._calls.append(call)
        call.add(delta)

    def _call_of(self, index: int | None, id_: str, name: str) -> PartialCall | None:
        """Return the call that a delta continues; servers omit the index, the id, or count all calls as 0."""
        if index is None:
            same_id = [call for call in self._calls if id_ and call.id == id_]
            if same_id:
                return same_id[-1]
            return self._calls[-1] if self._calls and not id_ and not name else None
        same = [call for call in self._calls if call.index == index]
        if not same or (id_ and same[-1].id and same[-1].id != id_):
            return None
        return same[-1]

    def _raw(self) -> dict[str, Any]:
        calls = {"tool_calls": [call.raw() for call in self._calls]} if self._calls else {}
        return {"role": "assistant", "content": self._text or None, **self._extra, **calls}


def _usage(usage: Mapping[str, Any]) -> Usage:
    cached = mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")), count(cached))


def _joined(before: Any, value: Any) -> Any:
    if isinstance(before, str) and isinstance(value, str):
        return before + value
    if isinstance(before, list) and isinstance(value, list):
        return before + value
    return value


def _as_json(arguments: Any) -> str:
    return orjson.dumps(arguments).decode() if arguments is not None else ""
