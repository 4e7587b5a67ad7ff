"""The operations of the API that visitors and programs call."""

from collections.abc import Mapping
from typing import Any

from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.conversations.talk import HEADER, NEW
from smarter_runtime.endpoints.conversations import MOST_HEADS, MOST_TURNS
from smarter_runtime.inbound import chat, responses
from smarter_runtime.inbound.fields import Table
from smarter_runtime.openapi.parts import (
    TEXT,
    WITH_TOKEN,
    Schema,
    body,
    content,
    header,
    json_content,
    operation,
    query,
    reference,
)
from smarter_runtime.openapi.requests import CHAT_FIELDS, RESPONSES_FIELDS, SESSION

_CONVERSATION_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}
_ANSWER_HEADERS = [
    header(
        "Idempotency-Key",
        "A request that is sent again under the same key gets the same answer, for ten minutes.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    header(
        HEADER,
        "`new`, or the id of a conversation that the server keeps.",
        {"anyOf": [{"const": NEW}, _CONVERSATION_ID]},
    ),
]
_HELLO = {"role": "user", "content": "Hello"}
_BROWSERS = "For browsers: `Origin` must be the bot's own page, or one in `spec.exposure.allowedOrigins`."


def requests(config: RuntimeConfig) -> dict[str, Schema]:
    """Return the schemas of the bodies that ask for an answer."""
    names = sorted({config.model.name, config.bot.name})
    model = {"model": {"enum": [*names, None], "description": "The model's or the bot's name."}}
    return {
        "ChatRequest": _request(chat.TABLE, CHAT_FIELDS | model, ["messages"]),
        "ResponsesRequest": _request(responses.TABLE, RESPONSES_FIELDS | model, ["input"]),
    }


def _request(table: Table, fields: Mapping[str, Schema], required: list[str]) -> Schema:
    """Return the schema of a body: what is refused is not in it, and neither is anything else."""
    known = sorted(table.honoured | table.overridden | table.with_key)
    properties = {name: fields.get(name, {}) for name in known}
    for name in table.with_key:
        properties[name] = properties[name] | {"description": "With an ApiKey only."}
    for name in table.overridden:
        properties[name] = {"description": "Accepted; the chatbot sets its own."}
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _answer(id_: str, request: str, answer: str, example: Schema) -> Schema:
    whole = json_content(answer, "The answer: one document, or a stream of server-sent events with `stream: true`.")
    whole["content"] |= {"text/event-stream": {"schema": TEXT}}
    asked: Schema = {"parameters": _ANSWER_HEADERS, "requestBody": body(reference(request), example)}
    return operation(id_, whole, security=WITH_TOKEN, **asked)


def _limit(most: int) -> Schema:
    return query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": most})


_CURSOR = query(
    "before", "The `next` of the page before.", {"type": "string", "pattern": "^[0-9]{1,15}_[A-Za-z0-9_-]{1,64}$"}
)
_TURN = query("before", "The `before` of the page before.", {"type": "integer", "minimum": 1, "maximum": 1_000_000})
_ID = {"name": "id", "in": "path", "required": True, "schema": _CONVERSATION_ID}


def _own(id_: str, answer: Schema, *parameters: Schema, **members: Any) -> Schema:
    """Return an operation on the caller's own conversations."""
    return operation(id_, answer, security=WITH_TOKEN, parameters=list(parameters), **members)


_CONVERSATIONS = {
    "get": _own("conversations", json_content("Conversations", "Last used first."), _limit(MOST_HEADS), _CURSOR),
    "delete": _own("eraseConversations", json_content("Erased", "How many there were.")),
}
_CONVERSATION = {
    "get": _own("conversation", json_content("Conversation", "The latest turns."), _ID, _limit(MOST_TURNS), _TURN),
    "delete": _own("eraseConversation", {"description": "It is erased."}, _ID, status="204"),
}

PATHS: Schema = {
    "/v1/chat/completions": {"post": _answer("chatCompletions", "ChatRequest", "Completion", {"messages": [_HELLO]})},
    "/v1/responses": {"post": _answer("responses", "ResponsesRequest", "Response", {"input": "Hello"})},
    "/v1/models": {"get": operation("models", json_content("Models", "The bot's one model."), security=WITH_TOKEN)},
    "/app/v1/conversations": _CONVERSATIONS,
    "/app/v1/conversations/{id}": _CONVERSATION,
    "/app/v1/challenge": {
        "post": operation("challenge", json_content("Challenge", "What a session costs in computing."), _BROWSERS)
    },
    "/app/v1/session": {
        "post": operation(
            "session", json_content("Session", "A session for a visitor."), _BROWSERS, requestBody=body(SESSION, {})
        )
    },
    "/app/v1/config": {"get": operation("config", json_content("Page", "What the chat page shows."))},
    "/app/v1/theme.css": {"get": operation("theme", content("text/css", TEXT, "The colours of the chat page."))},
    "/embed.js": {
        "get": operation("embed", content("text/javascript", TEXT, "Puts the chat page into pages of other sites."))
    },
    "/.well-known/smarter": {"get": operation("identity", json_content("Uid", "The UID of the Chatbot."))},
}
