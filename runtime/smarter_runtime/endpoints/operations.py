"""What the cluster does with the things that are kept: it collects usage and erases conversations, with a token."""

import hashlib
import hmac
from typing import Any

import orjson
from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.access import bearer
from smarter_runtime.bot import Bot
from smarter_runtime.conversations import ConversationsUnavailable
from smarter_runtime.conversations.talk import owner_digest, unavailable
from smarter_runtime.endpoints.asking import owner_of
from smarter_runtime.endpoints.body import json_body
from smarter_runtime.endpoints.query import number
from smarter_runtime.errors import ApiError, invalid, unauthorized
from smarter_runtime.identity import identity_id
from smarter_runtime.services import Services
from smarter_runtime.usage import UsageUnavailable

MOST_RECORDS = 1000
MOST_NUMBER = 10**15
_WAYS_TO_NAME = ("visitor", "subject", "key")


async def usage(request: Request) -> Response:
    """Return records that nobody has acknowledged, in their order."""
    services = _opened(request)
    after = number(request, "after", 0, MOST_NUMBER, at_least=0)
    at_most = number(request, "limit", 500, MOST_RECORDS)
    try:
        await services.keeping.settled()
        found = await services.keeping.usage.unacknowledged(after, at_most)
    except UsageUnavailable as error:
        raise _usage_unavailable(error) from error
    more = found[-1].number if len(found) == at_most else None
    return _json({"records": [orjson.Fragment(each.record) for each in found], "next": more})


async def acknowledged(request: Request) -> Response:
    """Note which records have arrived; they are not given out again."""
    services = _opened(request)
    body = (await json_body(request, services.settings)).value
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or len(ids) > MOST_RECORDS or not all(isinstance(each, str) for each in ids):
        raise invalid(f"`ids` must be a list of at most {MOST_RECORDS} ids of records.", "ids")
    try:
        count = await services.keeping.usage.acknowledge(ids, services.now_ms())
    except UsageUnavailable as error:
        raise _usage_unavailable(error) from error
    return _json({"acknowledged": count})


async def erased(request: Request) -> Response:
    """Erase all conversations of one caller."""
    services = _opened(request)
    bot = services.bot()
    owner = owner_of(bot, _caller_id(request, bot))
    try:
        count = await services.keeping.conversations.erase_all(owner_digest(owner))
    except ConversationsUnavailable as error:
        raise unavailable(error) from error
    return _json({"erased": count})


def _caller_id(request: Request, bot: Bot) -> str:
    """Return the caller that the query names, in one of three ways."""
    given = [(name, value) for name, value in request.query_params.multi_items() if name in _WAYS_TO_NAME]
    if len(given) != 1 or not given[0][1]:
        ways = "`visitor` (value of the cookie), `subject` (`sub` of the signed identity) or `key` (UID of the ApiKey)"
        raise invalid(f"Say whose conversations, by {ways}.")
    name, value = given[0]
    if name == "subject":
        if bot.config.access.identity is None:
            raise invalid("This chatbot has no `access.identity`, so nobody is known by a `subject`.", "subject")
        return identity_id(bot.config.access.identity.issuer, value)
    return value if name == "visitor" else f"key:{value}"


def _opened(request: Request) -> Services:
    """Return the services to whoever has a token.

    Raises:
        ApiError: 403 when no token opens anything, 401 when this one does not.
    """
    services = parts.of(request)
    digests = services.bot().config.status_tokens
    if not digests:
        text = "No token opens this; put the SHA-256 of one into `platform.statusTokens` of the operator's chart."
        raise ApiError(403, "no_status_token", text, kind="permission_error")
    given = hashlib.sha256(bearer(request.headers.get("authorization")).encode()).hexdigest()
    if not sum(hmac.compare_digest(given, digest) for digest in digests):
        raise unauthorized("invalid_status_token", "Send `Authorization: Bearer <token>` with a token of the platform.")
    return services


def _usage_unavailable(error: UsageUnavailable) -> ApiError:
    return ApiError(503, "store_unavailable", str(error), headers={"Retry-After": "2"})


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json", headers={"Cache-Control": "no-store"})
