"""The contract between operator and runtime about ApiKeys: what a pod must know to tell who may call its bot.

It is apart from the bot's config, so that a revocation waits for nothing, and no part of the config's hash.
"""

import hashlib
import json
from collections.abc import Iterable

from pydantic import AwareDatetime

from smarter_crds.base import ApiModel
from smarter_crds.limits import Budget, KeyLimits

KEYS_KEY = "keys"
"""Key in the ConfigMap's `data`, and file name in the pod beside `config`, of the JSON with the keys."""

KEYS_SCHEMA_VERSION = 1

TOKEN_PREFIX = "smarter_"
"""What every token that the operator makes begins with, so that people and scanners recognise it."""


class KeyDigest(ApiModel):
    """The digest of one token of a key."""

    sha256: str
    not_after: AwareDatetime | None = None
    """Until when the token is valid; None: as long as the key."""


class KeyConfig(ApiModel):
    """One ApiKey that opens the bot; tokens themselves are never in it."""

    name: str
    """Name of the ApiKey resource."""
    uid: str
    display_name: str
    digests: tuple[KeyDigest, ...]
    expires_at: AwareDatetime | None = None
    """Until when the key is valid; the reader compares, for nobody writes anything when the time has come."""
    disabled: bool = False
    limits: KeyLimits | None = None
    budget: Budget | None = None


class KeysConfig(ApiModel):
    """All keys that open one bot."""

    schema_version: int = KEYS_SCHEMA_VERSION
    keys: tuple[KeyConfig, ...] = ()


def keys_to_json(keys: Iterable[KeyConfig]) -> bytes:
    """Return the canonical JSON: keys by name, members sorted, unset ones left out."""
    whole = KeysConfig(keys=tuple(sorted(keys, key=lambda key: key.name)))
    document = whole.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def keys_hash(document: bytes) -> str:
    """Return the hash by which operator and runtime name the keys of a bot: SHA-256, 64 hex digits."""
    return hashlib.sha256(document).hexdigest()
