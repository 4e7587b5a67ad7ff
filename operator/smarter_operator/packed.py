"""Objects kept as bytes: as dictionaries ten thousand Chatbots with their children would take over a gigabyte."""

import sys
import zlib
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

import orjson

from smarter_operator.cluster import Manifest

ObjectName = tuple[str, str]
"""Namespace and name."""

_FASTEST = 1


class Identity(NamedTuple):
    """What tells whether an object is the same, and whether it is newer."""

    uid: str
    version: int


class _Packed(NamedTuple):
    uid: str
    version: int
    body: bytes


class PackedObjects(MutableMapping[ObjectName, Manifest]):
    """A dictionary of manifests; each one that is read is a copy, which the reader may keep or change."""

    def __init__(self) -> None:
        self._packed: dict[ObjectName, _Packed] = {}

    def __getitem__(self, key: ObjectName) -> Manifest:
        manifest: Manifest = orjson.loads(zlib.decompress(self._packed[key].body))
        return manifest

    def __setitem__(self, key: ObjectName, manifest: Manifest) -> None:
        known = identity(manifest)
        # A Chatbot and most of its children have one name, and thousands of objects one namespace.
        namespace, name = (sys.intern(part) for part in key)
        self._packed[namespace, name] = _Packed(
            known.uid, known.version, zlib.compress(orjson.dumps(manifest), _FASTEST)
        )

    def __delitem__(self, key: ObjectName) -> None:
        del self._packed[key]

    def __iter__(self) -> Iterator[ObjectName]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def identity(self, key: ObjectName) -> Identity | None:
        """Return who the object is, without unpacking it."""
        found = self._packed.get(key)
        return Identity(found.uid, found.version) if found else None

    def uids(self) -> dict[ObjectName, str]:
        return {key: found.uid for key, found in self._packed.items()}


def identity(manifest: Manifest) -> Identity:
    """Read it off a manifest; Kubernetes 1.35 made it official that resourceVersions may be compared as numbers."""
    metadata = manifest["metadata"]
    text = metadata.get("resourceVersion", "0")
    return Identity(metadata["uid"], int(text) if text.isdigit() else 0)
