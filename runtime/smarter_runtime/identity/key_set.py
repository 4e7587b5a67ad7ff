"""The public keys of an issuer (JWKS), fetched when they are needed, kept for a while, and not asked for too often."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from smarter_crds.access_config import IdentityConfig
from smarter_runtime.errors import ApiError
from smarter_runtime.identity.tokens import ALGORITHMS, Jwk
from smarter_runtime.models.dialer import Dialer
from smarter_runtime.network import AddressRefused

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600
"""After that the keys are fetched again, when somebody comes."""
USABLE_SECONDS = 3600
"""While they cannot be fetched: a key that was taken back must not be good for ever."""
PAUSE_SECONDS = 30
"""Between two attempts, whatever tokens say about keys that nobody knows."""
FAULT_PAUSE_SECONDS = 5
"""The same while the last attempt has failed."""
FETCH_SECONDS = 5
MAX_BYTES = 256 * 1024
MAX_KEYS = 64
_NEVER = float("-inf")


class KeySet:
    """The keys at one address."""

    def __init__(self, config: IdentityConfig, now: Callable[[], float] = time.monotonic) -> None:
        self._url = config.jwks_url
        self._dialer = Dialer(config.allowed_cidrs)
        self._now = now
        self._keys: tuple[Jwk, ...] = ()
        self._fetched = self._tried = _NEVER
        self._lock = asyncio.Lock()
        self.fault = ""
        """Why the last attempt to fetch them failed; empty: it did not."""

    async def find(self, id_: str) -> Jwk | None:
        """Return the key called `id_`, or the only one there is for a token that names none.

        Raises:
            ApiError: 503, while there are no keys to look at.
        """
        if self._is_old(FRESH_SECONDS) or self._known(id_) is None:
            await self._refresh()
        if self._is_old(USABLE_SECONDS):
            text = "Identities cannot be verified right now. Please try again in a moment."
            raise ApiError(503, "identity_unavailable", text, headers={"Retry-After": str(FAULT_PAUSE_SECONDS)})
        return self._known(id_)

    async def warm(self) -> None:
        """Fetch the keys before somebody waits for them."""
        await self._refresh()

    async def close(self) -> None:
        """Let go of the connection, once nobody waits for keys any more."""
        await self._dialer.retire()

    def _known(self, id_: str) -> Jwk | None:
        found = [key for key in self._keys if not id_ or key.get("kid") == id_]
        return found[0] if found and (id_ or len(found) == 1) else None

    def _is_old(self, seconds: float) -> bool:
        return self._now() - self._fetched > seconds

    async def _refresh(self) -> None:
        before = self._tried
        async with self._lock:
            # Who waited for somebody else's attempt has it.
            pause = FAULT_PAUSE_SECONDS if self.fault else PAUSE_SECONDS
            if self._tried != before or self._now() - self._tried < pause:
                return
            self._tried = self._now()
            fault = await self._fetch()
            if fault:
                logger.warning("the keys of the issuer cannot be fetched", extra={"fault": fault})
            else:
                self._fetched = self._tried
            self.fault = fault

    async def _fetch(self) -> str:
        """Replace the keys; returns why that failed, or an empty string."""
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        try:
            async with (
                self._dialer.session() as session,
                session.get(self._url, timeout=timeout, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    return f"HTTP {response.status}"
                document = await response.content.read(MAX_BYTES + 1)
                while len(document) <= MAX_BYTES and not response.content.at_eof():
                    document += await response.content.read(MAX_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return _reason(error)
        keys = _keys(document) if len(document) <= MAX_BYTES else ()
        if not keys:
            return "there are no usable keys"
        self._keys = keys
        return ""


def _keys(document: bytes) -> tuple[Jwk, ...]:
    """Return the keys that can sign, of those that are public and strong enough to count."""
    try:
        value = orjson.loads(document)
    except orjson.JSONDecodeError:
        return ()
    listed = value.get("keys") if isinstance(value, dict) else None
    return tuple(key for key in (listed if isinstance(listed, list) else [])[:MAX_KEYS] if _signs(key))


def _signs(key: Any) -> bool:
    is_public = isinstance(key, dict) and key.get("kty") in ALGORITHMS and "d" not in key
    return is_public and key.get("use", "sig") == "sig"


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return f"its address {cause.address} is not public, and `allowedCIDRs` does not name it"
    return type(error).__name__
