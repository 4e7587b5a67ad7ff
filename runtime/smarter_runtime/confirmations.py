"""Calls that wait for the person's word: signed offers to make one call with just these arguments, once, and soon."""

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import orjson

from smarter_runtime.bot import Bot
from smarter_runtime.errors import ApiError
from smarter_runtime.events import ToolCall
from smarter_runtime.plan import Confirmed
from smarter_runtime.signing_key import SigningKey
from smarter_runtime.stores import StoreUnavailable

GOOD_FOR = timedelta(minutes=10)
MAX_TOKEN_CHARACTERS = 64 * 1024
SHARED = "any"
"""In place of the process: an offer that is good at all pods."""

DONE_BEFORE = "This was confirmed and done before; it is not done again."
_NONCE_BYTES = 12


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the person is asked."""

    token: str
    """Whoever sends it back confirms the call."""
    tool: str
    description: str
    arguments: Mapping[str, Any]
    expires_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "tool": self.tool,
            "description": self.description,
            "arguments": self.arguments,
            "expires_at": int(self.expires_at.timestamp()),
        }


class Uses(Protocol):
    """What a Store knows of things that are good once."""

    async def use_once(self, key: str, until_ms: int) -> bool:
        """Use something up, which is forgotten at `until_ms`; tell whether nobody had done so before.

        Raises:
            StoreUnavailable: nobody can say.
        """

    async def was_used(self, key: str) -> bool:
        """Tell whether somebody has used it up.

        Raises:
            StoreUnavailable: nobody can say.
        """


class Confirmations:
    """Gives out offers and reads them back.

    An offer of a bot with a Store is good at all of its pods, for the Store knows whether it was used. Another is good
    in the process that made it only: a restart makes every open offer void, and never a call happen twice.
    """

    def __init__(self, key: SigningKey, clock: Callable[[], datetime], uses: Uses) -> None:
        self._key, self._clock, self._uses = key, clock, uses
        self._process = secrets.token_hex(8)
        self._used: OrderedDict[str, datetime] = OrderedDict()

    def offer(self, call: ToolCall, bot: Bot, owner: str) -> Offer:
        """Return the offer to `owner` to make `call`, whose arguments are checked."""
        until = self._clock() + GOOD_FOR
        said = {
            "nonce": secrets.token_hex(_NONCE_BYTES),
            "process": self._process if bot.config.store is None else SHARED,
            "until": int(until.timestamp()),
            "tool": call.name,
            "arguments": call.arguments,
        }
        body = orjson.dumps(said)
        token = _packed(body) + "." + _packed(self._signature(said, bot, owner))
        tool = bot.toolbox.tool(call.name)
        arguments: Mapping[str, Any] = orjson.loads(call.arguments)
        return Offer(
            token=token,
            tool=call.name,
            description=tool.offer.description if tool else "",
            arguments=arguments,
            expires_at=datetime.fromtimestamp(int(until.timestamp()), UTC),
        )

    async def read(self, token: str, bot: Bot, owner: str) -> Confirmed:
        """Return the call that `token` confirms.

        Raises:
            ApiError: when it is not one that was offered to `owner`, is over, or was used, or when nobody can say.
        """
        said = self._said(token, bot, owner)
        is_shared = said["process"] == SHARED and bot.config.store is not None
        is_known = is_shared or said["process"] == self._process
        if not is_known or self._clock() >= datetime.fromtimestamp(said["until"], UTC):
            text = "This confirmation has expired, and nothing was done. Ask again, and confirm within ten minutes."
            raise _refusal(400, "confirmation_expired", text)
        nonce = said["nonce"]
        if await self._was_used(nonce, is_shared=is_shared):
            raise _refusal(409, "confirmation_used", "This was confirmed before; it was not done a second time.")
        call = ToolCall(f"call_{nonce}", said["tool"], said["arguments"])
        return Confirmed(call, partial(self._claim_shared if is_shared else self._claim, nonce))

    def _said(self, token: str, bot: Bot, owner: str) -> dict[str, Any]:
        body, _, signature = token.partition(".")
        try:
            said = orjson.loads(_unpacked(body))
            is_ours = hmac.compare_digest(_unpacked(signature), self._signature(said, bot, owner))
        except (ValueError, TypeError, KeyError, AttributeError):
            is_ours = False
        if not is_ours:
            text = "This confirmation is not from this chatbot, not for you, or for a tool that has changed since."
            raise _refusal(400, "confirmation_invalid", text)
        return dict(said)

    async def _was_used(self, nonce: str, *, is_shared: bool) -> bool:
        if not is_shared:
            return nonce in self._used
        try:
            return await self._uses.was_used(_use(nonce))
        except StoreUnavailable as error:
            text = (
                "Nobody can see at the moment whether this was confirmed before, so nothing was done. Try again later."
            )
            raise ApiError(503, "store_unavailable", text, headers={"Retry-After": "5"}) from error

    async def _claim(self, nonce: str) -> str:
        now = self._clock()
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        if nonce in self._used:
            return DONE_BEFORE
        # Kept for longer than any offer is good.
        self._used[nonce] = now + 2 * GOOD_FOR
        return ""

    async def _claim_shared(self, nonce: str) -> str:
        until_ms = int((self._clock() + 2 * GOOD_FOR).timestamp() * 1000)
        try:
            return "" if await self._uses.use_once(_use(nonce), until_ms) else DONE_BEFORE
        except StoreUnavailable:
            return (
                "Nobody can see at the moment whether this was done before, so it was not done. It can be tried later."
            )

    def _signature(self, said: Mapping[str, Any], bot: Bot, owner: str) -> bytes:
        tool = bot.toolbox.tool(said["tool"])
        arguments = hashlib.sha256(said["arguments"].encode()).hexdigest()
        # A tool that has changed would do something else with the same arguments.
        parts = (owner, said["tool"], tool.version if tool else "", arguments, said["nonce"], said["process"])
        text = orjson.dumps([*parts, said["until"]])
        return hmac.new(self._key.derived("confirmation"), text, hashlib.sha256).digest()


def _use(nonce: str) -> str:
    return f"confirmation:{nonce}"


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _refusal(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, code, message, param="smarter.confirm", headers={"x-should-retry": "false"})
