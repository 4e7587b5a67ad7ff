"""Who calls the API: a visitor with a session, or a program with a key."""

from dataclasses import dataclass

from smarter_crds.keys_config import KeyConfig
from smarter_runtime.api_keys import ApiKeys, unknown_key
from smarter_runtime.bot import Bot
from smarter_runtime.errors import NO_RETRY, ApiError, unauthorized
from smarter_runtime.sessions import Sessions

KEY_ONLY = "ApiKey"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who gets the answer; the id says nothing about a person."""

    id: str
    key: KeyConfig | None = None
    """The ApiKey that the caller holds; None for visitors."""


def caller(authorization: str | None, bot: Bot, keys: ApiKeys, sessions: Sessions) -> Caller:
    """Return whom the `Authorization` header names.

    Raises:
        ApiError: 401, with the way in.
    """
    token = bearer(authorization)
    key = keys.holder(token) if token else None
    if key is not None:
        return Caller(f"key:{key.uid}", key)
    if bot.config.access.mode == KEY_ONLY:
        if token:
            raise unknown_key()
        raise unauthorized("missing_api_key", "Send `Authorization: Bearer <API key>`; this chatbot answers keys only.")
    return Caller(sessions.visitor(authorization, bot.config.bot.uid).id)


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
