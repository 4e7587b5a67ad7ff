"""Visitor sessions: who is a visitor, and the short-lived token that the API asks for."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
from itsdangerous import BadSignature, SignatureExpired, TimestampSigner

from smarter_runtime.errors import ApiError, invalid, unauthorized
from smarter_runtime.identity import Identity
from smarter_runtime.origins import is_among
from smarter_runtime.signing_key import SigningKey

COOKIE = "smarter-visitor"
SECURE_COOKIE = f"__Host-{COOKIE}"
MAX_IDENTITY_BYTES = 3000
"""In a session: proxies refuse long headers."""
_YEAR_SECONDS = 365 * 24 * 3600
_VISITOR_ID = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who talks to the bot; the id says nothing about the person."""

    id: str
    identity: Identity | None = None
    """Who it is, if the customer's site has vouched for it."""


class Sessions:
    """Gives out and checks tokens; any pod of a bot takes those of the others."""

    def __init__(self, lifetime_seconds: int, key: SigningKey) -> None:
        self.lifetime_seconds = lifetime_seconds
        self._key = key

    def token(self, visitor: Visitor, bot_uid: str) -> str:
        """Return a token that says who a visitor is.

        Raises:
            ApiError: 400, when an identity says more than fits into a header.
        """
        said = f"{visitor.id}.{_packed(visitor.identity)}" if visitor.identity else visitor.id
        return self._signer(bot_uid).sign(said).decode()

    def visitor(self, authorization: str | None, bot_uid: str) -> Visitor:
        """Return the visitor whom the `Authorization` header names.

        Raises:
            ApiError: 401, with the way to a session.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthorized(
                "missing_session", "Send `Authorization: Bearer <token>`; POST /app/v1/session gives one."
            )
        try:
            said = self._signer(bot_uid).unsign(token.strip(), max_age=self.lifetime_seconds).decode()
        except SignatureExpired:
            raise _over() from None
        except BadSignature:
            text = "The token is not from this chatbot, or older than its key; POST /app/v1/session gives one."
            raise unauthorized("invalid_session", text) from None
        id_, _, packed = said.partition(".")
        identity = _unpacked(packed) if packed else None
        if identity and identity.until <= time.time():
            raise _over()
        return Visitor(id_, identity)

    def pseudonym(self, caller_id: str) -> str:
        """Return a name for a caller that providers may see: it cannot be turned back into the id."""
        return hmac.new(self._key.derived("pseudonym"), caller_id.encode(), hashlib.sha256).hexdigest()[:32]

    def _signer(self, bot_uid: str) -> TimestampSigner:
        # The UID is part of the signature's salt, so that a token of one bot is foreign to every other.
        key = self._key.derived("session")
        return TimestampSigner(key, salt=f"session:{bot_uid}", key_derivation="hmac", digest_method=hashlib.sha256)


def known_or_new(visitor_id: str | None, identity: Identity | None = None) -> Visitor:
    """Return the visitor of the cookie, or a new one when there is none or it was tampered with."""
    if visitor_id and _VISITOR_ID.fullmatch(visitor_id):
        return Visitor(visitor_id, identity)
    return Visitor(secrets.token_urlsafe(16), identity)


def _over() -> ApiError:
    return unauthorized("session_expired", "The session is over; POST /app/v1/session gives a new one.")


def _packed(identity: Identity) -> str:
    said = orjson.dumps([identity.id, identity.until, identity.claims])
    if len(said) > MAX_IDENTITY_BYTES:
        text = (
            f"The claims that this chatbot's plugins use may have {MAX_IDENTITY_BYTES} bytes; this identity has more."
        )
        raise invalid(text, "identity", "identity_too_large")
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def _unpacked(packed: str) -> Identity:
    return Identity(*orjson.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))


def visitor_cookie(visitor: Visitor, *, is_https: bool) -> str:
    """Return the `Set-Cookie` value. `Partitioned` keeps it usable, and apart, inside a frame on another site."""
    common = f"Path=/; Max-Age={_YEAR_SECONDS}; HttpOnly"
    if is_https:
        return f"{SECURE_COOKIE}={visitor.id}; {common}; Secure; SameSite=None; Partitioned"
    return f"{COOKIE}={visitor.id}; {common}; SameSite=Lax"


def checked_origin(origin: str | None, host: str, hosts: Iterable[str], allowed: Iterable[str] = ()) -> str:
    """Return the scheme of `Origin`, which must be the bot's own page, or one that is `allowed` to call the API.

    Raises:
        ApiError: 403 for requests of other sites, and for those that do not say where they come from.
    """
    parts = urlsplit(origin or "")
    is_own = parts.scheme in ("http", "https") and (
        parts.netloc.lower() == host.lower() or (parts.hostname or "") in {name.lower() for name in hosts}
    )
    if not is_own and not is_among(origin or "", allowed):
        text = "Sessions are given to this chatbot's own page only: `Origin` must be the address of the chatbot."
        raise ApiError(403, "foreign_origin", text, kind="permission_error")
    return parts.scheme
