"""A real API server takes our CRDs, and refuses by them what must not be written."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from smarter_crds import KINDS
from support.judgements import JUDGEMENTS, Changes
from support.samples import Manifest, changed, full, minimal

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def crds(kubectl: Kubectl) -> Kubectl:
    """Install the CRDs and return the way to talk to the API server."""
    files = [f"--filename={ROOT / 'crds' / kind.plural}.yaml" for kind in KINDS.values()]
    applied = kubectl("apply", "--server-side", "--force-conflicts", *files)
    assert applied.returncode == 0, applied.stderr
    names = [f"crd/{kind.plural}.smarter.sh" for kind in KINDS.values()]
    waited = kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    assert waited.returncode == 0, waited.stderr
    return kubectl


def create(kubectl: Kubectl, manifest: Manifest) -> subprocess.CompletedProcess[str]:
    """Let the API server judge `manifest` without keeping it."""
    arguments = ("create", "--dry-run=server", "--validate=strict", "--output=json", "--filename=-")
    return kubectl(*arguments, input=json.dumps(manifest))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural_and_its_names_are_accepted(crds: Kubectl, kind: str) -> None:
    answer = crds("get", f"crd/{KINDS[kind].plural}.smarter.sh", "--output=json")
    conditions = {found["type"]: found["status"] for found in json.loads(answer.stdout)["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_resource_is_accepted(crds: Kubectl, kind: str) -> None:
    answer = create(crds, minimal(kind))
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_that_is_set_gets_lost(crds: Kubectl, kind: str) -> None:
    answer = create(crds, full(kind))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["spec"] == full(kind)["spec"]


def test_the_only_default_is_one_fixed_pod(crds: Kubectl) -> None:
    stored = json.loads(create(crds, minimal("Chatbot")).stdout)["spec"]
    assert stored == minimal("Chatbot")["spec"] | {"scaling": {"type": "Fixed", "replicas": 1}}


STATUS = {
    "observedGeneration": 1,
    "state": "Active",
    "url": "https://support.acme.example",
    "hosts": [
        {
            "host": "support.acme.example",
            "claimed": True,
            "resolved": False,
            "certificate": {"ready": True, "notAfter": "2027-01-01T00:00:00Z", "secretName": "support-0a1b2c3d"},
        }
    ],
    "model": "openai/gpt-6-luna",
    "configHash": "0" * 64,
    "replicas": 1,
    "readyReplicas": 1,
    "selector": "smarter.sh/chatbot=support",
    "pluginCount": 1,
    "certificateExpiry": "2027-01-01T00:00:00Z",
    "plugins": [{"name": "orders", "type": "Static", "hash": "0a1b2c3d4e5f6071"}],
    "defaults": {
        "state": "Active",
        "language": "en",
        "timeZone": "UTC",
        "model": {"name": "gpt-6-luna"},
        "app": {"title": "Support", "assistantName": "Support", "disclosure": "You are talking to an AI."},
        "exposure": {"type": "Ingress", "className": "contour", "tls": {"mode": "Issuer", "issuerRef": {"name": "ca"}}},
        "access": {"mode": "Public"},
        "limits": {"tokensPerDay": 1000},
        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}},
    },
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "The chatbot answers.",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-22T20:00:00Z",
        }
    ],
}


@pytest.fixture
def stored(crds: Kubectl) -> Iterator[str]:
    """A Chatbot that is kept, not only judged; an operator that runs beside may write its status."""
    name = f"stored-{uuid4().hex[:8]}"
    created = crds("create", "--filename=-", input=json.dumps(changed(minimal("Chatbot"), metadata__name=name)))
    assert created.returncode == 0, created.stderr
    yield name
    crds("delete", "chatbot", name, "--wait=false")


def test_a_chatbot_can_be_scaled(crds: Kubectl, stored: str) -> None:
    scaled = crds("scale", f"chatbot/{stored}", "--replicas=3")
    assert scaled.returncode == 0, scaled.stderr
    spec = json.loads(crds("get", "chatbot", stored, "--output=json").stdout)["spec"]
    assert spec["scaling"] == {"type": "Fixed", "replicas": 3}


def test_a_chatbot_is_listed_with_its_columns(crds: Kubectl, stored: str) -> None:
    plain, wide = (crds("get", "cb", stored, f"--output={output}").stdout for output in ("", "wide"))
    assert re.split(r"\s{2,}", plain.splitlines()[0].strip()) == [
        "NAME",
        "READY",
        "STATE",
        "URL",
        "MODEL",
        "PLUGINS",
        "REPLICAS",
        "AGE",
    ]
    assert {"REASON", "CERTIFICATE EXPIRY"} <= set(re.split(r"\s{2,}", wide.splitlines()[0].strip()))


def test_no_member_of_a_status_gets_lost(crds: Kubectl, stored: str) -> None:
    patch = json.dumps([{"op": "add", "path": "/status", "value": STATUS}])
    arguments = ("patch", "chatbot", stored, "--subresource=status", "--type=json", "--dry-run=server", "--output=json")
    answer = crds(*arguments, f"--patch={patch}")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["status"] == STATUS


def test_a_condition_without_its_time_is_refused(crds: Kubectl, stored: str) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "The chatbot answers."}
    patch = json.dumps({"status": {"conditions": [condition]}})
    answer = crds("patch", "chatbot", stored, "--subresource=status", "--type=merge", f"--patch={patch}")
    assert "lastTransitionTime: Required value" in answer.stderr


@pytest.mark.parametrize(("kind", "changes", "refusal"), JUDGEMENTS)
def test_the_api_server_judges_by_our_rules(crds: Kubectl, kind: str, changes: Changes, refusal: str | None) -> None:
    answer = create(crds, changed(minimal(kind), **changes))
    if refusal is None:
        assert answer.returncode == 0, answer.stderr
    else:
        assert answer.returncode != 0
        assert refusal in answer.stderr
