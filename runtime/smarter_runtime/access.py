"""Who calls the API: a visitor with a session, a person with a signed identity, or a program with a key."""

from dataclasses import dataclass, field

from starlette.datastructures import Headers

from smarter_crds.keys_config import KeyConfig
from smarter_runtime.api_keys import ApiKeys, unknown_key
from smarter_runtime.bot import Bot
from smarter_runtime.errors import NO_RETRY, ApiError, unauthorized
from smarter_runtime.identity.identities import Identities
from smarter_runtime.sessions import Sessions
from smarter_runtime.tools import Claims

KEY_ONLY = "ApiKey"
IDENTITY_HEADER = "smarter-identity"
"""Says for whom a program asks."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who gets the answer; the id says nothing about a person."""

    id: str
    key: KeyConfig | None = None
    """The ApiKey that the caller holds; None for visitors."""
    claims: Claims = field(default_factory=dict)
    """What is said of the person for whom the answer is; empty where nobody is known."""


@dataclass(frozen=True)
class Doors:
    """What decides who gets in."""

    keys: ApiKeys
    sessions: Sessions
    identities: Identities

    async def caller(self, headers: Headers, bot: Bot) -> Caller:
        """Return whom the headers name.

        Raises:
            ApiError: 401, with the way in.
        """
        opened = await self._opened(headers.get("authorization"), bot)
        if IDENTITY_HEADER not in headers:
            return opened
        # A program that talks for a person whom it knows.
        who = await self.identities.verified(headers[IDENTITY_HEADER], bot.config)
        return Caller(who.id, opened.key, who.claims)

    async def _opened(self, authorization: str | None, bot: Bot) -> Caller:
        token = bearer(authorization)
        key = self.keys.holder(token) if token else None
        if key is not None:
            return Caller(f"key:{key.uid}", key)
        if bot.config.access.mode == KEY_ONLY:
            if token:
                raise unknown_key()
            text = "Send `Authorization: Bearer <API key>`; this chatbot answers keys only."
            raise unauthorized("missing_api_key", text)
        if self.identities.is_meant_by(token, bot.config):
            who = await self.identities.verified(token, bot.config)
            return Caller(who.id, claims=who.claims)
        visitor = self.sessions.visitor(authorization, bot.config.bot.uid)
        return Caller(visitor.identity.id, claims=visitor.identity.claims) if visitor.identity else Caller(visitor.id)


def check_visitors_are_let_in(bot: Bot) -> None:
    """Refuse a session where it would open nothing.

    Raises:
        ApiError: 403, with the sentence that the page shows.
    """
    if bot.config.access.mode == KEY_ONLY:
        notice = bot.config.access.notice
        raise ApiError(403, "api_key_required", notice, kind="permission_error", headers=NO_RETRY)


def bearer(authorization: str | None) -> str:
    """Return the token of the header; empty where there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
