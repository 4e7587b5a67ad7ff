"""Changes by hand to single fields of an object, generated from the object itself."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from smarter_operator.cluster import Manifest
from smarter_operator.names import APPLIED_ANNOTATION, FIELD_MANAGER

Path = tuple[str | int, ...]

GONE = object()
"""Stands for a field that is taken away."""

_NAMES_THE_OBJECT = frozenset({"apiVersion", "kind", "status"})
_TOLD_APART_BY = (("containerPort", "protocol"), ("port", "protocol"), ("mountPath",), ("topologyKey",), ("name",))
_NOT_OF_THE_OWNER = frozenset({"labels", "annotations"})
"""What a manifest's metadata holds beside its name and its owner: without its owner, a child is somebody else's."""


def fields(manifest: Manifest) -> list[Path]:
    """Return the paths of everything that can be changed without making another object of it."""
    return [path for path in _leaves(manifest) if _may_change(path)]


def owned_fields(live: Manifest) -> list[Path]:
    """Return the paths of what the API server says the operator owns, of those that `fields` knows."""
    entries = [entry for entry in live["metadata"]["managedFields"] if _is_ours(entry)]
    found = [path for entry in entries for path in _owned(entry["fieldsV1"], live)]
    return [path for path in found if path and _may_change(path) and path[-1] != APPLIED_ANNOTATION]


def other(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("y" if value.endswith("x") else "x")
    return {"x": "x"} if isinstance(value, dict) else ["x"]


def value_at(manifest: Any, path: Path) -> Any:
    """Return what stands there, or `GONE`."""
    for step in path:
        try:
            manifest = manifest[step]
        except (KeyError, IndexError, TypeError):
            return GONE
    return manifest


def value_like(manifest: Any, child: Any, path: Path) -> Any:
    """Return what stands at the `path` of `child` in `manifest`, or `GONE`."""
    place = place_like(manifest, child, path)
    return GONE if place is None else value_at(manifest, place)


def place_like(manifest: Any, child: Any, path: Path) -> Path | None:
    """Return where in `manifest` the `path` of `child` leads: elements of lists may stand elsewhere; None: nowhere."""
    found: list[str | int] = []
    for step in path:
        element = child[step]
        names = next((each for each in _TOLD_APART_BY if isinstance(element, dict) and each[0] in element), ())
        if isinstance(step, int) and names and isinstance(manifest, list):
            wanted = {name: element.get(name) for name in names}
            at = [index for index, e in enumerate(manifest) if {name: e.get(name) for name in names} == wanted]
            if not at:
                return None
            step = at[0]
        found.append(step)
        manifest, child = value_at(manifest, (step,)), element
    return tuple(found)


def with_value(manifest: Manifest, path: Path, value: Any) -> Manifest:
    """Return a copy with another value at `path`, or without it."""
    made = copy.deepcopy(manifest)
    place: Any = value_at(made, path[:-1])
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made


def written(path: Path) -> str:
    """Return the path as people write it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _may_change(path: Path) -> bool:
    if path[0] in _NAMES_THE_OBJECT:
        return False
    return path[0] != "metadata" or path[1] in _NOT_OF_THE_OWNER


def _is_ours(entry: Manifest) -> bool:
    return (entry["manager"], entry["operation"]) == (FIELD_MANAGER, "Apply")


def _owned(owned: Manifest, value: Any, path: Path = ()) -> Iterator[Path]:
    """Follow the server's notation: `f:` a member, `k:` the element with these keys, `v:` a value in a set."""
    steps = [(_step(key, value), inner) for key, inner in owned.items() if key != "."]
    if not steps:
        yield path
    for step, inner in steps:
        yield from _owned(inner, value[step], (*path, step))


def _step(key: str, value: Any) -> str | int:
    sort, _, name = key.partition(":")
    if sort == "f":
        return name
    wanted = json.loads(name)
    if sort == "v":
        return list(value).index(wanted)
    return next(index for index, item in enumerate(value) if wanted.items() <= item.items())


def _leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner or not value:
        yield path
        return
    for key, item in inner:
        yield from _leaves(item, (*path, key))
