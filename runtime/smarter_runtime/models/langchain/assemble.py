"""Puts a model's answer together from LangChain's chunks."""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk

from smarter_runtime.events import Event, Finish, FinishReason, Reasoning, Text, ToolCall, Usage
from smarter_runtime.models.failures import failed
from smarter_runtime.models.langchain.messages import MESSAGE, arguments
from smarter_runtime.models.values import count, mapping, text

# Every library has a name of its own for where the reason stands, and every API its own words.
_PLACES = ("stop_reason", "finish_reason", "stopReason", "done_reason")
_REASONS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "length": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
}
# Google's model wrote a call that cannot be read; asking again helps.
_GARBLED = frozenset({"malformed_function_call", "unexpected_tool_call"})


class ChunkAssembler:
    """Takes the chunks of one answer; at its end it knows the calls, and the message that must go back in the turn."""

    def __init__(self, says_why_it_ends: bool) -> None:
        self._says_why_it_ends = says_why_it_ends
        self._whole: AIMessageChunk | None = None

    def events(self, chunk: AIMessageChunk) -> Iterator[Event]:
        self._whole = chunk if self._whole is None else self._whole + chunk
        for block in chunk.content_blocks:
            # A block of a type that is new to us has neither member.
            part = mapping(block)
            if part.get("type") == "text" and part.get("text"):
                yield Text(text(part["text"]))
            elif part.get("type") == "reasoning" and part.get("reasoning"):
                yield Reasoning(text(part["reasoning"]))

    def end(self) -> Iterator[Event]:
        if self._whole is None:
            raise failed("cut", "no chunk at all")
        reason = self._reason(self._whole)
        usage = self._whole.usage_metadata
        if usage:
            details = mapping(usage.get("input_token_details"))
            yield Usage(usage["input_tokens"], usage["output_tokens"], count(details.get("cache_read")))
        calls = [*_calls(self._whole)]
        yield from calls
        yield Finish("tool_calls" if calls and reason == "stop" else reason, {MESSAGE: _kept(self._whole, calls)})

    def _reason(self, whole: AIMessageChunk) -> FinishReason:
        # Two chunks with a reason are added up like text; the last one counts, and it is the shorter.
        values = [text(whole.response_metadata.get(place)) for place in _PLACES]
        said = next((value.lower() for value in values if value), "")
        if not said and self._says_why_it_ends:
            raise failed("cut", "the stream ended without a reason")
        if said in _GARBLED:
            raise failed("garbage", said)
        return _REASONS.get(said, "stop")


def _calls(whole: AIMessageChunk) -> Iterator[ToolCall]:
    for number, chunk in enumerate(whole.tool_call_chunks):
        yield ToolCall(chunk["id"] or f"call_{number}", chunk["name"] or "", chunk["args"] or "{}")


def _kept(whole: AIMessageChunk, calls: list[ToolCall]) -> AIMessage:
    """Return the message as it can go back: with every call that will be answered, whether it could be read or not."""
    kept: list[Any] = [
        {"type": "tool_call", "id": call.id, "name": call.name, "args": arguments(call.arguments)} for call in calls
    ]
    return AIMessage(
        content=whole.content,
        additional_kwargs=whole.additional_kwargs,
        response_metadata=whole.response_metadata,
        tool_calls=kept,
        id=whole.id,
    )
