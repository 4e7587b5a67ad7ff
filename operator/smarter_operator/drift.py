"""Whether a live object still is what we want it to be: a pure comparison that decides if anything is written."""

from decimal import Decimal, InvalidOperation
from typing import Any

from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import DEPLOYMENT

_ATOMIC = frozenset({"selector", "matchLabels", "nodeSelector"})
"""Maps that Kubernetes treats as one value: who owns it owns the absence of further keys too."""

_WHOLE = frozenset(
    {
        "ingress",
        "egress",
        "parentRefs",
        "backendRefs",
        "certificateRefs",
        "metrics",
        "tolerations",
        "nodeSelectorTerms",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    }
)
"""Lists that Kubernetes treats as one value, of which we write every member: whatever else is in them is drift."""

_QUANTITIES = frozenset({"requests", "limits", "sizeLimit"})
_SUFFIXES: dict[str, Decimal] = {
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGT", start=1)},
}
_MERGE_KEYS = ("name", "topologyKey", "mountPath", "containerPort", "port", "key", "ip", "type")
"""By which members Kubernetes tells the elements of its list-maps apart; foreign ones (sidecars) may be among ours."""


def stamped(manifest: Manifest) -> Manifest:
    """Return `manifest` with the annotation that names what is applied."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), names.APPLIED_ANNOTATION: names.digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def is_current(desired: Manifest, live: Manifest) -> bool:
    """Tell whether applying the stamped manifest `desired` would change nothing of `live` that is ours.

    The stamp notices fields that we stopped wanting, the comparison fields that somebody changed or removed, and the
    manager's entry an object that lost track of who owns what.
    """
    managers = live["metadata"].get("managedFields", [])
    ours = {"manager": names.FIELD_MANAGER, "operation": "Apply"}
    return ours in [{key: entry.get(key) for key in ours} for entry in managers] and contains(live, desired)


def is_stuck(desired: Manifest, live: Manifest) -> bool:
    """Tell whether no apply can make `live` as `desired`, for a member differs that can never change."""
    return desired["kind"] == DEPLOYMENT.name and bool(live["spec"].get("selector") != desired["spec"]["selector"])


def contains(live: Any, desired: Any, *, quantities: bool = False) -> bool:
    """Tell whether everything in `desired` stands in `live` with the same value; `live` may hold more."""
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(_contains_member(live, key, desired[key], quantities) for key in desired)
    if isinstance(desired, list):
        return isinstance(live, list) and _contains_elements(live, desired)
    if quantities:
        return _quantity(live) == _quantity(desired)
    return bool(live == desired)


def _contains_member(live: dict[str, Any], key: str, desired: Any, quantities: bool) -> bool:
    if key not in live:
        return desired in ({}, [], None)
    if key in _ATOMIC:
        return bool(live[key] == desired)
    if key in _WHOLE:
        return _equals(live[key], desired)
    return contains(live[key], desired, quantities=quantities or key in _QUANTITIES)


def _equals(live: Any, desired: Any) -> bool:
    """Tell whether both are the same; what is empty may be missing, for the API server leaves some of it out."""
    if isinstance(desired, dict):
        known = isinstance(live, dict) and live.keys() <= desired.keys()
        return known and all(
            _equals(live[key], desired[key]) if key in live else desired[key] in ({}, [], None) for key in desired
        )
    if isinstance(desired, list):
        return isinstance(live, list) and len(live) == len(desired) and all(map(_equals, live, desired))
    return bool(live == desired)


def _contains_elements(live: list[Any], desired: list[Any]) -> bool:
    key = next((key for key in _MERGE_KEYS if _tells_apart(key, desired)), None)
    if key is None:
        return len(live) == len(desired) and all(map(contains, live, desired))
    by_key = {element.get(key): element for element in live if isinstance(element, dict)}
    return all(element[key] in by_key and contains(by_key[element[key]], element) for element in desired)


def _tells_apart(key: str, elements: list[Any]) -> bool:
    values = [element[key] for element in elements if isinstance(element, dict) and key in element]
    return bool(elements) and len(values) == len(elements) and len({str(value) for value in values}) == len(values)


def _quantity(text: object) -> Decimal | str:
    """Return the number that a Kubernetes quantity stands for, so that `1000m` equals `1`."""
    number = str(text)
    suffix = next((suffix for suffix in sorted(_SUFFIXES, key=len, reverse=True) if number.endswith(suffix)), "")
    try:
        return Decimal(number.removesuffix(suffix)) * _SUFFIXES.get(suffix, 1)
    except InvalidOperation:
        return number
