"""How an answer looks in OpenAI's Responses: as one document and as the events of a stream."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from smarter_runtime.answer_format import Outcome
from smarter_runtime.confirmations import Offer
from smarter_runtime.events import FinishReason, ToolCall, Usage
from smarter_runtime.wire import extension

Item = dict[str, Any]

_INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What the official clients expect to be there, whatever was asked.
_FIXED: Mapping[str, Any] = {
    "background": False,
    "error": None,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "auto",
}


class ResponseForm:
    """One answer. A stream is told in items, each of which is begun, grows and is done."""

    def __init__(self, created: int, model: str, echo: Mapping[str, Any]) -> None:
        self.id = _id("resp")
        self._common = {"id": self.id, "object": "response", "created_at": created, "model": model, **_FIXED, **echo}
        self._items: list[Item] = []
        self._message: Item | None = None
        self._text: list[str] = []
        self._sequence = -1
        self._offers: list[Offer] = []

    def opening(self) -> bytes:
        return self._state("created") + self._state("in_progress")

    def text(self, delta: str) -> bytes:
        begun = b"" if self._message else self._begin_message()
        self._text.append(delta)
        return begun + self._event("output_text.delta", self._place() | {"delta": delta, "logprobs": []})

    def calls(self, calls: Sequence[ToolCall]) -> bytes:
        return self._end_message() + b"".join(map(self._call, calls))

    def confirmations(self, offers: Sequence[Offer]) -> bytes:
        # SDKs know a fixed set of events; the whole response, with which the last one comes, may have more members.
        self._offers += offers
        return b""

    def heartbeat(self) -> bytes:
        return self._state("in_progress")

    def ending(self, finish_reason: FinishReason, usage: Usage) -> bytes:
        # An answer without a word is an answer.
        begun = b"" if self._items or self._message else self._begin_message()
        ended = self._end_message()
        whole = self._response(finish_reason, usage)
        return begun + ended + self._event(whole["status"], {"response": whole})

    def failure(self, body: Mapping[str, Any]) -> bytes:
        # The official clients raise what is in `error`; others read the event's own members.
        error = body["error"]
        members = {name: error[name] for name in ("code", "message", "param")}
        return self._sent("error", {**members, "error": error})

    def document(self, outcome: Outcome) -> bytes:
        if outcome.text or not outcome.calls:
            self._items.append(_message(_id("msg"), "completed", outcome.text))
        self._items += (_function_call(_id("fc"), "completed", call, call.arguments) for call in outcome.calls)
        self._offers += outcome.confirmations
        return orjson.dumps(self._response(outcome.finish_reason, outcome.usage))

    def _begin_message(self) -> bytes:
        self._message = _message(_id("msg"), "in_progress")
        part = self._place() | {"part": _part("")}
        return self._added(self._message) + self._event("content_part.added", part)

    def _end_message(self) -> bytes:
        if self._message is None:
            return b""
        text, place = "".join(self._text), self._place()
        done = _message(self._message["id"], "completed", text)
        ended = self._event("output_text.done", place | {"text": text, "logprobs": []})
        ended += self._event("content_part.done", place | {"part": _part(text)})
        self._message = None
        return ended + self._done(done)

    def _call(self, call: ToolCall) -> bytes:
        id_ = _id("fc")
        place = {"item_id": id_, "output_index": len(self._items)}
        return b"".join(
            (
                self._added(_function_call(id_, "in_progress", call, "")),
                self._event("function_call_arguments.delta", place | {"delta": call.arguments}),
                self._event("function_call_arguments.done", place | {"name": call.name, "arguments": call.arguments}),
                self._done(_function_call(id_, "completed", call, call.arguments)),
            )
        )

    def _added(self, item: Item) -> bytes:
        return self._event("output_item.added", {"output_index": len(self._items), "item": item})

    def _done(self, item: Item) -> bytes:
        event = self._event("output_item.done", {"output_index": len(self._items), "item": item})
        self._items.append(item)
        return event

    def _place(self) -> dict[str, Any]:
        """Return where the text of the message stands."""
        assert self._message is not None
        return {"item_id": self._message["id"], "output_index": len(self._items), "content_index": 0}

    def _state(self, status: str) -> bytes:
        shown = self._common | {"status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
        return self._event(status, {"response": shown})

    def _response(self, finish_reason: FinishReason, usage: Usage) -> dict[str, Any]:
        why = _INCOMPLETE.get(finish_reason)
        return self._common | {
            "status": "incomplete" if why else "completed",
            "incomplete_details": {"reason": why} if why else None,
            "output": self._items,
            "usage": _usage(usage),
            **extension(self._offers),
        }

    def _event(self, kind: str, members: Mapping[str, Any]) -> bytes:
        return self._sent(f"response.{kind}", members)

    def _sent(self, kind: str, members: Mapping[str, Any]) -> bytes:
        self._sequence += 1
        data = orjson.dumps({"type": kind, "sequence_number": self._sequence, **members})
        return f"event: {kind}\ndata: ".encode() + data + b"\n\n"


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(16)}"


def _message(id_: str, status: str, text: str | None = None) -> Item:
    content = [] if text is None else [_part(text)]
    return {"id": id_, "type": "message", "role": "assistant", "status": status, "content": content}


def _part(text: str) -> Item:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _function_call(id_: str, status: str, call: ToolCall, arguments: str) -> Item:
    item = {"id": id_, "type": "function_call", "status": status, "call_id": call.id, "name": call.name}
    return item | {"arguments": arguments}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
    }
