"""Answers in the format of OpenAI's Responses, for the scripted provider."""

import json
from collections.abc import Iterator
from typing import Any

from runtime.support import Reply, stream

Item = dict[str, Any]
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}


def message(text: str, *, id_: str = "msg_1", refusal: bool = False) -> Item:
    part = {"type": "refusal", "refusal": text} if refusal else {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": id_, "role": "assistant", "status": "completed", "content": [part]}


def reasoning(encrypted: str | None = "sealed", id_: str = "rs_1") -> Item:
    summary = [{"type": "summary_text", "text": "Hmm."}]
    return {"type": "reasoning", "id": id_, "summary": summary, "encrypted_content": encrypted}


def function_call(arguments: str, *, call_id: str = "call_1", name: str = "returns-policy") -> Item:
    item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "status": "completed"}
    return item | {"arguments": arguments}


def document(*items: Item, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "output": list(items), "usage": USAGE} | fields


def events(*items: Item, status: str = "completed", **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a whole answer that consists of `items`; `fields` are those of its last event."""
    begun: list[dict[str, Any]] = [{"type": "response.created", "response": document(status="in_progress")}]
    for index, item in enumerate(items):
        common = {"output_index": index, "item_id": item["id"]}
        blank = item | {name: value for name, value in (("content", []), ("arguments", "")) if name in item}
        begun.append({"type": "response.output_item.added", "output_index": index, "item": blank})
        begun += [{**common, **delta} for delta in _deltas(item)]
        begun.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return [*begun, {"type": f"response.{status}", "response": document(*items, status=status, **fields)}]


def _deltas(item: Item) -> Iterator[dict[str, Any]]:
    if item["type"] == "function_call":
        for letter in item["arguments"]:
            yield {"type": "response.function_call_arguments.delta", "delta": letter}
    elif item["type"] == "reasoning":
        yield {"type": "response.reasoning_summary_text.delta", "delta": "Hmm.", "summary_index": 0}
    else:
        part = item["content"][0]
        said, kind = part.get("text"), "response.output_text.delta"
        if said is None:
            said, kind = part["refusal"], "response.refusal.delta"
        half = len(said) // 2
        for piece in (said[:half], said[half:]):
            yield {"type": kind, "delta": piece, "content_index": 0}


def lines(*sent: dict[str, Any]) -> bytes:
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in sent).encode()


def answers(*items: Item, **fields: Any) -> Reply:
    return stream(lines(*events(*items, **fields)))
