"""The volume with the Secrets that a bot's pods read: each key is a file of its own, and none must exist."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from smarter_crds.compile import SecretFile
from smarter_operator import names


class Mount(NamedTuple):
    """A key of a Secret, and the path of its file."""

    secret_name: str
    key: str
    path: str


def mounts(files: Iterable[SecretFile]) -> tuple[Mount, ...]:
    return tuple(Mount(file.secret_name, file.key, file.path) for file in files)


def secret_volume(wanted: Iterable[Mount]) -> dict[str, Any]:
    # Optional: a missing Secret must not keep the pod from starting; the runtime reports it by name.
    sources = [
        {"secret": {"name": name, "items": [{"key": key, "path": path}], "optional": True}}
        for name, key, path in wanted
    ]
    return {"name": names.SECRETS_VOLUME, "projected": {"sources": sources}}


def mounts_of(pod_spec: Mapping[str, Any]) -> frozenset[Mount]:
    """Read what is mounted off a pod or a template, in whatever state somebody left it."""
    sources = [
        source.get("secret") or {}
        for volume in pod_spec.get("volumes") or []
        if volume.get("name") == names.SECRETS_VOLUME
        for source in (volume.get("projected") or {}).get("sources") or []
    ]
    return frozenset(
        Mount(secret.get("name", ""), item.get("key", ""), item.get("path", ""))
        for secret in sources
        for item in secret.get("items") or []
    )
