"""One resource of every kind, in two sizes: the smallest that is valid, and one that sets (nearly) every field."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

_FOLDER = Path(__file__).parents[1] / "crds" / "samples"


def minimal(kind: str) -> Manifest:
    """Return the smallest valid resource of `kind`."""
    return deepcopy(_read("minimal", kind))


def full(kind: str) -> Manifest:
    """Return a resource of `kind` that sets every field but the second of each pair that excludes the other."""
    return deepcopy(_read("full", kind))


def changed(manifest: Manifest, **changes: object) -> Manifest:
    """Return `manifest` with members replaced; `__` in a name stands for a step down, None removes the member."""
    result = deepcopy(manifest)
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return result


@cache
def _read(size: str, kind: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((_FOLDER / size / f"{kind.lower()}.yaml").read_text(encoding="utf-8"))
    return manifest
