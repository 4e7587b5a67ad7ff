"""What the operator's account may do, and what the API server's record says that the operator did."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from smarter_operator.names import FIELD_MANAGER

Manifest = dict[str, Any]

DESELECTED = pytest.StashKey[bool]()
"""Whether a run leaves tests out, so that it does not show everything that is used."""


class Permission(NamedTuple):
    """A verb on a resource; `resource` includes the subresource."""

    group: str
    resource: str
    verb: str


def granted(rules: Iterable[Manifest]) -> set[Permission]:
    """Return everything that the rules of roles allow, one by one."""
    return {
        Permission(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(log: Path) -> set[Permission]:
    """Return the permissions that the operator needed for what it did."""
    return {permission for event in _events(log) for permission in _needed(event)}


def denied(log: Path) -> list[str]:
    """Return what the operator tried without permission."""
    return sorted({_denial(event) for event in _events(log)} - {""})


def _events(log: Path) -> Iterator[Manifest]:
    """Yield what the operator itself asked for; tests that act in its name say so in their User-Agent."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event.get("userAgent") == FIELD_MANAGER and "objectRef" in event:
                yield event


def _needed(event: Manifest) -> Iterator[Permission]:
    permission = _asked(event)
    yield permission
    if permission.verb == "patch" and event.get("responseStatus", {}).get("code") == 201:
        # An apply that creates needs both; the API server checks the second without recording it.
        yield permission._replace(verb="create")


def _asked(event: Manifest) -> Permission:
    target = event["objectRef"]
    resource = target["resource"] + (f"/{target['subresource']}" if "subresource" in target else "")
    return Permission(target.get("apiGroup", ""), resource, event["verb"])


def _denial(event: Manifest) -> str:
    status = event.get("responseStatus", {})
    decision = event.get("annotations", {}).get("authorization.k8s.io/decision")
    # A quota or an admission policy refuses with the same code, and other words.
    if decision == "forbid" or (status.get("code") == 403 and "cannot " in status.get("message", "")):
        return f"{' '.join(_asked(event))}: {status.get('message', '')}"
    return ""
