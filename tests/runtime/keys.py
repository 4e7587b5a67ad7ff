"""API keys for the tests of the runtime."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from runtime.support import write
from smarter_crds.keys_config import KeyConfig, KeyDigest, keys_to_json

TOKEN = "smarter_" + "a" * 43


def key(token: str = TOKEN, name: str = "backend", not_after: datetime | None = None, **changes: Any) -> KeyConfig:
    digest = KeyDigest(sha256=hashlib.sha256(token.encode()).hexdigest(), not_after=not_after)
    return KeyConfig(**{"name": name, "uid": f"uid-{name}", "display_name": name, "digests": (digest,)} | changes)


def put(directory: Path, *keys: KeyConfig) -> bytes:
    document = keys_to_json(keys)
    write(directory / "config", document, "keys")
    return document
