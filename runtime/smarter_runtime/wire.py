"""How an answer looks on OpenAI's wire: as one document and as the chunks of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from smarter_runtime.events import FinishReason, Usage

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Completion:
    """What all parts of one answer have in common."""

    id: str
    created: int
    model: str

    def chunk(self, delta: Mapping[str, Any], finish_reason: FinishReason | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**self._common("chat.completion.chunk"), "choices": [choice]})

    def usage_chunk(self, usage: Usage) -> bytes:
        return _event({**self._common("chat.completion.chunk"), "choices": [], "usage": _usage(usage)})

    def document(self, text: str, finish_reason: FinishReason, usage: Usage) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return orjson.dumps({**self._common("chat.completion"), "choices": [choice], "usage": _usage(usage)})

    def _common(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def error_event(body: Mapping[str, Any]) -> bytes:
    return _event(body)


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
