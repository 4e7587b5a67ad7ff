"""A caller's own conversations: listed, read, erased."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.conversations import ConversationsUnavailable, Head, Turn, is_id
from smarter_runtime.conversations.talk import owner_digest, unavailable, unknown_conversation
from smarter_runtime.endpoints.asking import owner
from smarter_runtime.endpoints.query import number
from smarter_runtime.errors import invalid

MOST_HEADS = 100
MOST_TURNS = 200
_NO_STORE = {"Cache-Control": "no-store"}
_CURSOR = re.compile(r"(\d{1,15})_([A-Za-z0-9_-]{1,64})")


async def listed(request: Request) -> Response:
    services = parts.of(request)
    at_most = number(request, "limit", 20, MOST_HEADS)
    before = _cursor(request.query_params.get("before"))
    try:
        # One more tells whether there are more.
        heads = await services.keeping.conversations.heads(await _owner(request), at_most + 1, before)
    except ConversationsUnavailable as error:
        raise unavailable(error) from error
    shown = heads[:at_most]
    more = f"{shown[-1].updated_ms}_{shown[-1].id}" if len(heads) > at_most else None
    return _json({"conversations": [_head(each) for each in shown], "next": more})


async def read(request: Request) -> Response:
    services = parts.of(request)
    at_most = number(request, "limit", MOST_TURNS, MOST_TURNS)
    before = number(request, "before", 1_000_000, 1_000_000)
    try:
        found = await services.keeping.conversations.read(await _owner(request), _id(request), at_most, before)
    except ConversationsUnavailable as error:
        raise unavailable(error) from error
    if found is None:
        raise unknown_conversation()
    head, turns = found
    earlier = turns[0].number if turns and turns[0].number > 1 else None
    return _json(_head(head) | {"messages": _messages(head, turns, services.now_ms()), "before": earlier})


async def erased(request: Request) -> Response:
    services = parts.of(request)
    try:
        is_there = await services.keeping.conversations.erase(await _owner(request), _id(request))
    except ConversationsUnavailable as error:
        raise unavailable(error) from error
    if not is_there:
        raise unknown_conversation()
    return Response(status_code=204, headers=_NO_STORE)


async def all_erased(request: Request) -> Response:
    services = parts.of(request)
    try:
        count = await services.keeping.conversations.erase_all(await _owner(request))
    except ConversationsUnavailable as error:
        raise unavailable(error) from error
    return _json({"erased": count})


async def _owner(request: Request) -> str:
    services = parts.of(request)
    bot = services.bot()
    return owner_digest(owner(bot, await services.caller(request, bot)))


def _id(request: Request) -> str:
    found: str = request.path_params["id"]
    if not is_id(found):
        raise unknown_conversation()
    return found


def _cursor(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise invalid("`before` must be the `next` of the page before.", "before")
    return int(found[1]), found[2]


def _head(head: Head) -> dict[str, Any]:
    return {
        "id": head.id,
        "title": head.title,
        "createdAt": _time(head.created_ms),
        "updatedAt": _time(head.updated_ms),
        "turns": head.turns,
    }


def _messages(head: Head, turns: Sequence[Turn], now_ms: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn.question, "createdAt": _time(turn.asked_ms)})
        answer: dict[str, Any] = {"role": "assistant", "content": turn.answer, "status": _state(head, turn, now_ms)}
        messages.append(answer | ({"createdAt": _time(turn.answered_ms)} if turn.answered_ms else {}))
    return messages


def _state(head: Head, turn: Turn, now_ms: int) -> str:
    """Return how the answer stands; one that nobody works on any more has failed."""
    is_lost = turn.state == "Open" and (turn.number < head.turns or head.open_until_ms <= now_ms)
    return "Failed" if is_lost else turn.state


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json", headers=_NO_STORE)
