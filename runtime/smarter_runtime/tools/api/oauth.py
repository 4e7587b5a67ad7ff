"""Tokens that a client fetches with credentials of its own (OAuth 2.0, RFC 6749, section 4.4)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import orjson

from smarter_crds.api_config import ApiAuthConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools.api.credentials import basic
from smarter_runtime.tools.api.faults import ApiFault

MAX_TOKEN_BYTES = 64 * 1024
USUAL_SECONDS = 300
"""How long a token is taken for good whose server does not say."""

EARLY_SECONDS = 30
EARLY_SHARE = 0.1
LONGEST_SECONDS = 24 * 3600

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""Sends a form with headers to an address; returns the status and the body of the answer."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    secret: str
    """The client's secret that it was fetched with."""
    renew_at: float


class TokenSource:
    """Holds one token, and fetches the next before it ends, after it was refused, or when the secret has changed."""

    def __init__(self, config: ApiAuthConfig, files: SecretFiles, post: Post) -> None:
        self._config, self._files, self._post = config, files, post
        self._token: _Token | None = None
        self._one_at_a_time = asyncio.Lock()
        self._says_it_in_the_form = False

    async def token(self) -> str:
        """Return a token.

        Raises:
            SecretMissing: when there is no client's secret.
            ApiFault: when none is given.
        """
        secret = self._files.text(self._config.secret_file)
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            if self._token is None or self._token.secret != secret or self._token.renew_at <= now:
                self._token = None
                self._token = await self._fetched(secret, now)
            return self._token.text

    def refused(self, token: str) -> None:
        """Take notice that the API did not accept `token`."""
        if self._token is not None and self._token.text == token:
            self._token = None

    async def _fetched(self, secret: str, now: float) -> _Token:
        status, answer = await self._asked(secret)
        if status in (400, 401) and _error(answer) in ("invalid_client", ""):
            # The standard wants the header; some servers know the form only.
            self._says_it_in_the_form = not self._says_it_in_the_form
            status, answer = await self._asked(secret)
        if status != 200:
            raise self._refusal(status, answer)
        token, kind = answer.get("access_token"), str(answer.get("token_type") or "Bearer")
        if not isinstance(token, str) or not token or not token.isprintable() or kind.lower() != "bearer":
            raise ApiFault("TokenRefused", f"{self._config.token_url} gives no bearer token.")
        return _Token(token, secret, now + _good_for(answer.get("expires_in")))

    async def _asked(self, secret: str) -> tuple[int, Mapping[str, Any]]:
        form, headers = {"grant_type": "client_credentials"}, {"Accept": "application/json"}
        if self._config.scopes:
            form["scope"] = " ".join(self._config.scopes)
        if self._says_it_in_the_form:
            form |= {"client_id": self._config.client_id, "client_secret": secret}
        else:
            headers["Authorization"] = basic(quote_plus(self._config.client_id), quote_plus(secret))
        status, body = await self._post(self._config.token_url, form, headers)
        return status, _object(body)

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> ApiFault:
        code = _error(answer)[:64] or f"HTTP {status}"
        reason = "Unreachable" if status >= 500 or status == 429 else "TokenRefused"
        return ApiFault(
            reason, f"{self._config.token_url} gives no token for client {self._config.client_id!r}: {code}."
        )


def _good_for(value: Any) -> float:
    """Return after how many seconds a token is renewed: a little before it ends."""
    try:
        seconds = min(float(value), LONGEST_SECONDS) if value is not None else USUAL_SECONDS
    except (TypeError, ValueError):
        seconds = USUAL_SECONDS
    return max(0, seconds - min(EARLY_SECONDS, seconds * EARLY_SHARE))


def _error(answer: Mapping[str, Any]) -> str:
    code = answer.get("error")
    return code if isinstance(code, str) and code.isprintable() else ""


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
