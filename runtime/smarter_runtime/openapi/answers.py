"""The schemas of what clients get."""

from smarter_runtime.openapi.parts import COUNT, TEXT, Schema, lists, objects

_PERHAPS: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": "string", "format": "date-time"}

_MESSAGE = objects(role={"const": "assistant"}, content=_PERHAPS, refusal={"type": "null"})
_CHOICE = objects(
    index={"const": 0},
    message=_MESSAGE,
    logprobs={"type": "null"},
    finish_reason={"enum": ["stop", "length", "tool_calls", "content_filter"]},
)
_ITEM = objects(id=TEXT, type={"enum": ["message", "function_call"]}, status=TEXT)
_HEAD = {"id": TEXT, "title": TEXT, "createdAt": _TIME, "updatedAt": _TIME, "turns": COUNT}
_SAID = objects(role={"enum": ["user", "assistant"]}, content=TEXT)
_CONFIRMATION = objects(
    token=TEXT, tool=TEXT, description=TEXT, arguments={"type": "object"}, expires_at={"type": "integer"}
)


def _answer(**members: Schema) -> Schema:
    whole = objects(id=TEXT, model=TEXT, **members)
    whole["properties"]["smarter"] = objects(confirmations=lists(_CONFIRMATION))
    return whole


ANSWERS: dict[str, Schema] = {
    "Error": objects(error=objects(message=TEXT, type=TEXT, param=_PERHAPS, code=TEXT)),
    "Completion": _answer(
        object={"const": "chat.completion"},
        created=COUNT,
        choices=lists(_CHOICE),
        usage=objects(prompt_tokens=COUNT, completion_tokens=COUNT, total_tokens=COUNT),
    ),
    "Response": _answer(
        object={"const": "response"},
        created_at=COUNT,
        status={"enum": ["completed", "incomplete"]},
        store={"const": False},
        output=lists(_ITEM),
        usage=objects(input_tokens=COUNT, output_tokens=COUNT, total_tokens=COUNT),
    ),
    "Models": objects(object={"const": "list"}, data=lists(objects(id=TEXT, object={"const": "model"}))),
    "Challenge": objects(challenge=TEXT, difficulty=COUNT, algorithm={"const": "SHA-256"}, expiresInSeconds=COUNT),
    "Session": objects(token=TEXT, expiresInSeconds=COUNT),
    "Conversations": objects(conversations=lists(objects(**_HEAD)), next=_PERHAPS),
    "Conversation": objects(**_HEAD, messages=lists(_SAID), before={"type": ["integer", "null"]}),
    "Erased": objects(erased=COUNT),
    "Page": objects(title=TEXT, name=TEXT, model=TEXT, language=TEXT),
    "Uid": objects(uid=TEXT),
}
