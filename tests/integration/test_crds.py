"""A real API server takes our CRDs, and refuses by them what must not be written."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

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


def test_a_chatbot_can_be_scaled_and_listed_with_its_columns(crds: Kubectl) -> None:
    bot = changed(minimal("Chatbot"), metadata__name="scaled")
    status = {
        "replicas": 1,
        "selector": "smarter.sh/chatbot=scaled",
        "state": "Active",
        "url": "https://scaled.acme.example",
        "model": "openai/gpt-6-luna",
        "pluginCount": 2,
    }
    try:
        crds("create", "--filename=-", input=json.dumps(bot))
        crds("patch", "cb/scaled", "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}")
        scaled = crds("scale", "cb/scaled", "--replicas=3")
        assert scaled.returncode == 0, scaled.stderr
        listed = crds("get", "cb/scaled").stdout.splitlines()
        stored = json.loads(crds("get", "cb/scaled", "--output=json").stdout)
        assert stored["spec"]["scaling"] == {"type": "Fixed", "replicas": 3}
        assert stored["status"] == status
        assert listed[0].split() == ["NAME", "READY", "STATE", "URL", "MODEL", "PLUGINS", "REPLICAS", "AGE"]
        assert listed[1].split()[:5] == ["scaled", "Active", "https://scaled.acme.example", "openai/gpt-6-luna", "2"]
    finally:
        crds("delete", "cb/scaled", "--ignore-not-found", "--wait=false")


@pytest.mark.parametrize(("kind", "changes", "refusal"), JUDGEMENTS)
def test_the_api_server_judges_by_our_rules(crds: Kubectl, kind: str, changes: Changes, refusal: str | None) -> None:
    answer = create(crds, changed(minimal(kind), **changes))
    if refusal is None:
        assert answer.returncode == 0, answer.stderr
    else:
        assert answer.returncode != 0
        assert refusal in answer.stderr
