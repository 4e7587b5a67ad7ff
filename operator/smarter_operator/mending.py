"""Elements of a child's lists that somebody has renamed: applying would only put ours beside them.

To the API server an element under another key is another element, and somebody else's. Beside it ours may be refused
(two ports of a Service with one name) or in its way (two containers at one port). So such an element is put back first,
by a manager of its own that lets go again as soon as the element is applied. What others add, like sidecars, stays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import DEPLOYMENT, LISTENER_SET, SERVICE

MANAGER = "smarter-mending"

Element = dict[str, Any]
Patch = list[dict[str, Any]]
"""A JSON Patch."""


@dataclass(frozen=True)
class _List:
    """How elements of a list are told apart by Kubernetes, and by which members two of them cannot be side by side."""

    key: tuple[str, ...]
    shared: Callable[[Element], object]
    """Returns what only one of them may have; None: nothing."""


def _container_ports(container: Element) -> object:
    return {port.get("containerPort") for port in container.get("ports", [])} or None


def _listener_place(listener: Element) -> object:
    return listener.get("port"), listener.get("hostname")


_LISTS = {
    "containers": _List(("name",), _container_ports),
    "ports": _List(("containerPort", "port", "protocol"), lambda port: port.get("name")),
    "listeners": _List(("name",), _listener_place),
}
_KINDS = frozenset({DEPLOYMENT.name, SERVICE.name, LISTENER_SET.name})


def renamed(desired: Manifest, live: Manifest) -> Patch:
    """Return what puts back the elements of `live` that are ours under another key; empty where there is none."""
    if desired["kind"] not in _KINDS:
        return []
    return [
        {"op": "replace", "path": path, "value": element}
        for path, element in _imposters(desired["spec"], live.get("spec", {}), "/spec")
    ]


def is_finished(live: Manifest) -> bool:
    """Tell whether nothing that was put back is still to be let go of."""
    return not any(_is_ours(entry) for entry in live["metadata"].get("managedFields", []))


def released(live: Manifest) -> Patch:
    """Return what lets go of everything that was put back; empty where nothing is held. `live` is whole."""
    managers = live["metadata"].get("managedFields", [])
    kept = [entry for entry in managers if not _is_ours(entry)]
    return [{"op": "replace", "path": "/metadata/managedFields", "value": kept}] if len(kept) < len(managers) else []


def _is_ours(entry: Manifest) -> bool:
    return (entry["manager"], entry["operation"]) == (MANAGER, "Update")


def _imposters(desired: Any, live: Any, path: str) -> Iterator[tuple[str, Element]]:
    if not isinstance(desired, dict) or not isinstance(live, dict):
        return
    for name, wanted in desired.items():
        found, kind = live.get(name), _LISTS.get(name)
        if isinstance(wanted, dict):
            yield from _imposters(wanted, found, f"{path}/{name}")
        elif kind is not None and isinstance(wanted, list) and isinstance(found, list):
            yield from _of_list(kind, wanted, found, f"{path}/{name}")


def _of_list(kind: _List, desired: list[Element], live: list[Element], path: str) -> Iterator[tuple[str, Element]]:
    at = {_key(kind, element): index for index, element in enumerate(live)}
    wanted = {_key(kind, element) for element in desired}
    strangers = {index: kind.shared(live[index]) for key, index in at.items() if key not in wanted}
    for element in desired:
        if (index := at.get(_key(kind, element))) is not None:
            yield from _imposters(element, live[index], f"{path}/{index}")
            continue
        shared = kind.shared(element)
        taken = next((index for index, other in strangers.items() if shared is not None and other == shared), None)
        if taken is not None:
            del strangers[taken]
            yield f"{path}/{taken}", element


def _key(kind: _List, element: Element) -> tuple[object, ...]:
    return tuple(element.get(member, "TCP" if member == "protocol" else None) for member in kind.key)
