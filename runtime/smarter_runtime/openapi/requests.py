"""The schemas of what clients send."""

from smarter_runtime.confirmations import MAX_TOKEN_CHARACTERS
from smarter_runtime.inbound.chat import MAX_STOPS
from smarter_runtime.inbound.confirming import FIELD, MAX_CONFIRMATIONS
from smarter_runtime.inbound.messages import ASSISTANT_FIELDS, MAX_CALLS
from smarter_runtime.inbound.tools import MAX_TOOLS
from smarter_runtime.openapi.parts import TEXT, Schema

_OBJECT: Schema = {"type": "object"}
_TOKENS: Schema = {
    "type": ["array", "null"],
    "maxItems": MAX_CONFIRMATIONS,
    "items": {"type": "string", "maxLength": MAX_TOKEN_CHARACTERS},
    "description": "Tokens from `smarter.confirmations` of an answer, for the calls that the person confirms.",
}
_FLAG: Schema = {"type": ["boolean", "null"]}
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 1}
_PARTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "text"],
        "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": TEXT},
    },
}
_CONTENT: Schema = {"anyOf": [TEXT, _PARTS]}


def _message(roles: list[str], *required: str, **members: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["role", *required],
        "properties": {"role": {"enum": roles}, "content": _CONTENT, "name": TEXT, **members},
        "additionalProperties": False,
    }


def _messages(*kinds: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": 500, "items": {"anyOf": list(kinds)}}


_SPOKEN = ["user", "assistant", "system", "developer"]
_ASSISTANT: dict[str, Schema] = {
    # What nobody reads is accepted, for clients send back what they got.
    **{name: {} for name in sorted(ASSISTANT_FIELDS - {"role", "name"})},
    "content": {"anyOf": [*_CONTENT["anyOf"], {"type": "null"}]},
    "tool_calls": {"type": ["array", "null"], "maxItems": MAX_CALLS, "items": _OBJECT},
}
_COMMON: dict[str, Schema] = {
    "stream": _FLAG,
    "stream_options": {"type": ["object", "null"]},
    "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
    "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "parallel_tool_calls": _FLAG,
    "tools": {"type": ["array", "null"], "maxItems": MAX_TOOLS, "items": _OBJECT},
    "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required"]}, _OBJECT, {"type": "null"}]},
    FIELD: {"type": ["object", "null"], "properties": {"confirm": _TOKENS}, "additionalProperties": False},
}

CHAT_FIELDS: dict[str, Schema] = {
    **_COMMON,
    "messages": _messages(
        _message(["user", "system", "developer"], "content"),
        _message(["assistant"], **_ASSISTANT),
        _message(["tool"], "content", "tool_call_id", tool_call_id=TEXT),
    ),
    "seed": {"type": ["integer", "null"]},
    "stop": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "minItems": 1, "maxItems": MAX_STOPS, "items": {"type": "string", "minLength": 1}},
            {"type": "null"},
        ]
    },
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "response_format": {"type": ["object", "null"]},
}

RESPONSES_FIELDS: dict[str, Schema] = {
    **_COMMON,
    "input": {
        "anyOf": [{"type": "string", "minLength": 1}, _messages(_message(_SPOKEN, "content", type=TEXT), _OBJECT)]
    },
    "instructions": {"type": ["string", "null"]},
    "max_output_tokens": _COUNT,
    "text": {"type": ["object", "null"]},
}

SESSION: Schema = {
    "type": "object",
    "properties": {
        "identity": {"type": ["string", "null"], "description": "A signed identity (JWT)."},
        "challenge": {"type": ["string", "null"], "description": "What was solved, where the bot asks for a proof."},
        "solution": {
            "type": ["string", "null"],
            "description": "A number: the SHA-256 of `<challenge>:<number>` begins with so many zero bits.",
        },
    },
}
