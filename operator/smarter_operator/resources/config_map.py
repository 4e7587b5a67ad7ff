"""The ConfigMap with the config to serve, and with the last one that a pod has confirmed."""

import base64

from smarter_crds.chatbot import Chatbot
from smarter_crds.runtime_config import CONFIG_KEY, GOOD_CONFIG_KEY, config_hash, pack, unpack
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import owned


def config_map(chatbot: Chatbot, document: bytes, good: str = "", schema_version: int = 1) -> Manifest:
    """Build it from the config's JSON and, where there is one, the base64 of the packed config known to be good."""
    bot, packed = chatbot.metadata.name, base64.b64encode(pack(document)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owned("Chatbot", chatbot.metadata, names.config_map(bot), names.config_map_labels(bot)),
        "data": {"schemaVersion": str(schema_version), "hash": config_hash(document)},
        "binaryData": {CONFIG_KEY: packed} | ({GOOD_CONFIG_KEY: good} if good else {}),
    }


def unpacked(live: Manifest, key: str) -> bytes:
    """Return the JSON of a config as it stands in a ConfigMap; empty where there is none that can be read."""
    try:
        return unpack(base64.b64decode((live.get("binaryData") or {}).get(key, "")))
    except ValueError:
        return b""


def good_config(live: Manifest | None, document: bytes, confirmed: frozenset[str]) -> str:
    """Return what `good` shall hold: the config being replaced when a pod has confirmed it, else what it holds now."""
    if live is None:
        return ""
    binary, served = live.get("binaryData", {}), live.get("data", {}).get("hash", "")
    if served != config_hash(document) and served in confirmed:
        return str(binary.get(CONFIG_KEY, ""))
    return str(binary.get(GOOD_CONFIG_KEY, ""))
