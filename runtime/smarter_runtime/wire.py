"""How an answer looks in OpenAI's ChatCompletions: as one document and as the chunks of a stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from smarter_runtime.answer_format import Outcome
from smarter_runtime.confirmations import Offer
from smarter_runtime.events import FinishReason, ToolCall, Usage

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Completion:
    """What all parts of one answer have in common."""

    id: str
    created: int
    model: str
    include_usage: bool = False
    """Whether a stream ends with a chunk that tells the usage."""

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, delta: str) -> bytes:
        before, after = self._around_text
        return before + orjson.dumps(delta) + after

    def calls(self, calls: Sequence[ToolCall]) -> bytes:
        # First who is called, then with what: SDKs put the arguments of an index together.
        return b"".join(
            self._chunk({"tool_calls": [{"index": index, **_call(call, "")}]})
            + self._chunk({"tool_calls": [{"index": index, "function": {"arguments": call.arguments}}]})
            for index, call in enumerate(calls)
        )

    def confirmations(self, offers: Sequence[Offer]) -> bytes:
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
        return _event({**self._common("chat.completion.chunk"), "choices": [choice], **extension(offers)})

    def heartbeat(self) -> bytes:
        # Comment lines would break some SDKs.
        return self._chunk({})

    def ending(self, finish_reason: FinishReason, usage: Usage) -> bytes:
        last = self._chunk({}, finish_reason)
        return last + (self._usage_chunk(usage) if self.include_usage else b"") + DONE

    def failure(self, body: Mapping[str, Any]) -> bytes:
        return _event(body)

    def document(self, outcome: Outcome) -> bytes:
        content = outcome.text or (None if outcome.calls else "")
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if outcome.calls:
            message["tool_calls"] = [_call(call, call.arguments) for call in outcome.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": outcome.finish_reason}
        usage = {"usage": _usage(outcome.usage), **extension(outcome.confirmations)}
        return orjson.dumps({**self._common("chat.completion"), "choices": [choice], **usage})

    @cached_property
    def _around_text(self) -> tuple[bytes, bytes]:
        """What stands before and after the text in every chunk that has one."""
        empty = self._chunk({"content": ""})
        at = empty.rindex(b'"content":""') + len(b'"content":')
        return empty[:at], empty[at + len(b'""') :]

    def _chunk(self, delta: Mapping[str, Any], finish_reason: FinishReason | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**self._common("chat.completion.chunk"), "choices": [choice]})

    def _usage_chunk(self, usage: Usage) -> bytes:
        return _event({**self._common("chat.completion.chunk"), "choices": [], "usage": _usage(usage)})

    def _common(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def extension(offers: Sequence[Offer]) -> dict[str, Any]:
    """Return the member that answers have beside OpenAI's, in every format; SDKs pass it on as it is."""
    return {"smarter": {"confirmations": [offer.as_json() for offer in offers]}} if offers else {}


def _call(call: ToolCall, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def model_list(name: str, created: int, owner: str) -> bytes:
    model = {"id": name, "object": "model", "created": created, "owned_by": owner}
    return orjson.dumps({"object": "list", "data": [model]})
