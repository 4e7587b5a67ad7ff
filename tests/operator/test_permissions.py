"""The judgement over the operator's permissions can fail: shown on records that are made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from smarter_operator.names import FIELD_MANAGER
from support.permissions import Permission, denied, granted, used

RULES = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["create", "patch"]},
    {"apiGroups": ["smarter.sh"], "resources": ["chatbots/status"], "verbs": ["patch"]},
]


def event(verb: str = "patch", code: int = 200, agent: str = FIELD_MANAGER, **members: Any) -> dict[str, Any]:
    made = {
        "userAgent": agent,
        "verb": verb,
        "objectRef": {"resource": "services", "apiVersion": "v1"},
        "responseStatus": {"code": code},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }
    return made | members


def record(folder: Path, *events: dict[str, Any]) -> Path:
    path = folder / "audit.log"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def test_rules_are_taken_apart() -> None:
    assert granted(RULES) == {
        Permission("", "services", "create"),
        Permission("", "services", "patch"),
        Permission("smarter.sh", "chatbots/status", "patch"),
    }


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        pytest.param(event(), {("", "services", "patch")}, id="an-apply-that-changes"),
        pytest.param(event(code=201), {("", "services", "patch"), ("", "services", "create")}, id="one-that-creates"),
        pytest.param(
            event(objectRef={"resource": "chatbots", "apiGroup": "smarter.sh", "subresource": "status"}),
            {("smarter.sh", "chatbots/status", "patch")},
            id="a-subresource",
        ),
        pytest.param(event(agent="smarter-tests"), set(), id="somebody-in-its-name"),
        pytest.param({"userAgent": FIELD_MANAGER, "verb": "get", "requestURI": "/apis"}, set(), id="no-resource"),
    ],
)
def test_the_record_says_what_was_needed(tmp_path: Path, found: dict[str, Any], needed: set[Any]) -> None:
    assert used(record(tmp_path, found)) == needed


FORBIDDEN = 'services is forbidden: User "system:serviceaccount:a:b" cannot delete resource "services" in API group ""'


@pytest.mark.parametrize(
    ("found", "count"),
    [
        pytest.param(event(annotations={"authorization.k8s.io/decision": "forbid"}), 1, id="by-the-decision"),
        pytest.param(event(responseStatus={"code": 403, "message": FORBIDDEN}), 1, id="while-an-apply-creates"),
        pytest.param(
            event(responseStatus={"code": 403, "message": 'services "a" is forbidden: exceeded quota: none'}),
            0,
            id="by-a-quota",
        ),
        pytest.param(event(code=404), 0, id="not-found"),
        pytest.param(
            event(annotations={"authorization.k8s.io/decision": "forbid"}, agent="smarter-tests"), 0, id="a-test-tried"
        ),
    ],
)
def test_denials_are_told_from_other_refusals(tmp_path: Path, found: dict[str, Any], count: int) -> None:
    assert len(denied(record(tmp_path, found, found))) == count
