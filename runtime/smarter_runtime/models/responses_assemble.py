"""Puts a provider's answer together from the events of OpenAI's Responses."""

from collections.abc import Iterator, Mapping
from typing import Any

from smarter_runtime.events import Event, Finish, FinishReason, Reasoning, Text, ToolCall, Usage
from smarter_runtime.models.failures import stream_failure
from smarter_runtime.models.values import count, items, json_object, mapping, text

_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ENDS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"response.failed", "response.cancelled"})
_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesAssembler:
    """Takes the events of one stream and remembers the items that must go back within the turn."""

    def __init__(self) -> None:
        self._items: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, str] = {}
        self._speaking: int | None = None
        self._reason: FinishReason = "stop"
        self.is_over = False

    @property
    def is_whole(self) -> bool:
        return self.is_over

    def events(self, event: Mapping[str, Any]) -> Iterator[Event]:
        kind = text(event.get("type"))
        if event.get("object") == "response":
            # A server that does not stream sends the whole response at once.
            kind, event = f"response.{text(event.get('status')) or 'completed'}", {"response": event}
        delta, index = text(event.get("delta")), count(event.get("output_index"))
        if kind in _TEXTS and delta:
            yield Text(self._paragraph(index) + delta)
        elif kind in _THOUGHTS and delta:
            yield Reasoning(delta)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[index] = dict(mapping(event.get("item")))
        elif kind == "response.function_call_arguments.delta":
            self._arguments[index] = self._arguments.get(index, "") + delta
        elif kind in _ENDS:
            yield from self._ended(mapping(event.get("response")))
        elif kind in _FAILURES or kind == "error":
            raise stream_failure(event.get("response") or event)

    def end(self) -> Iterator[Event]:
        """Give the tool calls, which are whole only now, and the end of the round."""
        written = [self._finished(index) for index in sorted(self._items)]
        calls = [item for item in written if item.get("type") == "function_call"]
        for number, item in enumerate(calls):
            item["call_id"] = text(item.get("call_id")) or f"call_{number}"
            yield ToolCall(item["call_id"], text(item.get("name")), item["arguments"])
        yield Finish("tool_calls" if calls and self._reason == "stop" else self._reason, {"items": _kept(written)})

    def _paragraph(self, index: int) -> str:
        # A comment on what the model is about to do and its answer are two items.
        gap = "\n\n" if self._speaking not in (None, index) else ""
        self._speaking = index
        return gap

    def _ended(self, response: Mapping[str, Any]) -> Iterator[Event]:
        for index, item in enumerate(map(mapping, items(response.get("output")))):
            # The item that came as an event of its own has the whole reasoning, and its place.
            self._items.setdefault(index, dict(item))
        if self._speaking is None:
            yield from (Text(said) for said in map(_said, self._items.values()) if said)
        usage = mapping(response.get("usage"))
        if usage:
            cached = mapping(usage.get("input_tokens_details")).get("cached_tokens")
            yield Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")), count(cached))
        why = text(mapping(response.get("incomplete_details")).get("reason"))
        self._reason = _INCOMPLETE.get(why, "stop")
        self.is_over = True

    def _finished(self, index: int) -> dict[str, Any]:
        item = self._items[index]
        if item.get("type") == "function_call":
            item["arguments"] = text(item.get("arguments")) or self._arguments.get(index, "")
        return item


def _said(item: Mapping[str, Any]) -> str:
    parts = map(mapping, items(item.get("content"))) if item.get("type") == "message" else ()
    return "".join(text(part.get("text")) or text(part.get("refusal")) for part in parts)


def _kept(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items as they can go back.

    Reasoning without content is a reference to what the provider has not stored; then the other items may not refer
    to it either.
    """
    whole = [item for item in written if item.get("type") != "reasoning" or _has_content(item)]
    kept = whole if len(whole) == len(written) else [_unbound(item) for item in whole]
    return [item | {"arguments": json_object(item["arguments"])} if "arguments" in item else item for item in kept]


def _unbound(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("type") == "message":
        return {"role": "assistant", "content": _said(item)}
    return {name: value for name, value in item.items() if name != "id"}


def _has_content(item: Mapping[str, Any]) -> bool:
    return bool(item.get("encrypted_content") or item.get("content"))
