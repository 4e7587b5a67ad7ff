"""The ConfigMap that tells the pods of a bot which ApiKeys open it: digests and ends, never a token."""

from collections.abc import Sequence

from smarter_crds.base import Metadata
from smarter_crds.keys_config import KEYS_KEY, KeyConfig, keys_hash, keys_to_json
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.drift import stamped
from smarter_operator.resources.metadata import owned

MAX_BYTES = 900_000
"""What a ConfigMap surely holds beside its metadata; about 4,000 keys."""


def keys_config_map(bot: Metadata, keys: Sequence[KeyConfig]) -> Manifest:
    """Build it for the Chatbot with this metadata, whatever else is wrong with that."""
    document = keys_to_json(keys)
    metadata = owned("Chatbot", bot, names.keys_config_map(bot.name), names.config_map_labels(bot.name))
    data = {KEYS_KEY: document.decode(), "hash": keys_hash(document)}
    return stamped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def fitting(keys: Sequence[KeyConfig]) -> tuple[KeyConfig, ...]:
    """Return as many of `keys` as one ConfigMap holds; the rest must wait, lest nothing can be revoked any more."""
    size, kept = 0, []
    for key in keys:
        size += len(keys_to_json((key,)))
        if size > MAX_BYTES:
            break
        kept.append(key)
    return tuple(kept)
