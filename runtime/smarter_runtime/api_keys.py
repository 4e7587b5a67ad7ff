"""Which API keys open the bot: the mounted file, and whose key a token is."""

import asyncio
import hashlib
import hmac
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from smarter_crds.keys_config import (
    KEYS_KEY,
    KEYS_SCHEMA_VERSION,
    TOKEN_PREFIX,
    KeyConfig,
    KeyDigest,
    KeysConfig,
    keys_hash,
)
from smarter_crds.runtime_config import RuntimeProblem
from smarter_runtime.errors import ApiError, unauthorized
from smarter_runtime.files import file_version

logger = logging.getLogger(__name__)

_BUCKET_DIGITS = 4


@dataclass(frozen=True)
class Keyring:
    """The keys of one file."""

    hash: str = ""
    keys: tuple[KeyConfig, ...] = ()
    problems: tuple[RuntimeProblem, ...] = ()
    _by_digits: dict[str, list[tuple[KeyDigest, KeyConfig]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for key in self.keys:
            for digest in key.digests:
                self._by_digits[digest.sha256[:_BUCKET_DIGITS]].append((digest, key))

    def find(self, token: str) -> tuple[KeyDigest, KeyConfig] | None:
        """Return whose token this is, whether it is valid or not."""
        # Nobody can choose what a digest begins with, so looking there first tells an attacker nothing; what decides
        # is compared in constant time.
        asked = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for digest, key in self._by_digits.get(asked[:_BUCKET_DIGITS], ()):
            if hmac.compare_digest(digest.sha256, asked):
                found = digest, key
        return found


class ApiKeys:
    """Holds the keys in force."""

    def __init__(self, directory: Path, clock: Callable[[], datetime]) -> None:
        self._path = directory / KEYS_KEY
        self._clock = clock
        self._seen: object = None
        self.ring = Keyring()

    async def refresh(self) -> bool:
        """Look whether the file has changed and read it if so; returns whether it had."""
        seen = file_version(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        self.ring = await asyncio.to_thread(read, self._path)
        for problem in self.ring.problems:
            logger.error("keys problem", extra={"reason": problem.reason, "text": problem.message})
        logger.info("keys in force", extra={"keys": len(self.ring.keys)})
        return True

    def holder(self, token: str) -> KeyConfig | None:
        """Return the key that the token belongs to; None: it is no key of this bot, and may be something else.

        Raises:
            ApiError: 401, when it is a key that is not valid now, or looks like one.
        """
        found = self.ring.find(token)
        if found is None:
            if token.startswith(TOKEN_PREFIX):
                raise unknown_key()
            return None
        digest, key = found
        if key.disabled:
            raise unauthorized("api_key_disabled", "This API key is disabled. Ask whoever gave it to you.")
        ends = [end for end in (digest.not_after, key.expires_at) if end is not None]
        if ends and min(ends) <= self._clock():
            raise unauthorized("api_key_expired", "This API key has expired. Ask whoever gave it to you for a new one.")
        return key


def unknown_key() -> ApiError:
    text = "The API key is not one of this chatbot: it is wrong, was taken back, or opens other chatbots."
    return unauthorized("invalid_api_key", text)


def read(path: Path) -> Keyring:
    """Read the file. Where it is missing or not understood, no key opens the bot: nobody gets in by accident."""
    try:
        document = path.read_bytes()
    except FileNotFoundError:
        return Keyring()
    except OSError as error:
        return _broken(f"Cannot read `{path.name}`: {error.strerror}; no API key works.")
    try:
        config = KeysConfig.model_validate_json(document)
    except ValidationError:
        return _broken(f"`{path.name}` holds no valid keys; no API key works.")
    if config.schema_version > KEYS_SCHEMA_VERSION:
        said = f"`{path.name}` has schemaVersion {config.schema_version}"
        return _broken(f"{said}; this runtime reads up to {KEYS_SCHEMA_VERSION}: use a newer image. No API key works.")
    return Keyring(keys_hash(document), config.keys)


def _broken(message: str) -> Keyring:
    return Keyring(problems=(RuntimeProblem(reason="KeysInvalid", message=message),))
