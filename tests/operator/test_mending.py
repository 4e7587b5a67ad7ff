"""Elements that somebody has renamed are put back; what others add stays."""

import copy
from typing import Any

import pytest

from smarter_operator import mending
from smarter_operator.kinds import SERVICE
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

Manifest = dict[str, Any]

RUNTIME: Manifest = {"name": "runtime", "image": "runtime:1", "ports": [{"name": "http", "containerPort": 8080}]}
SIDECAR: Manifest = {"name": "mesh", "image": "mesh:1", "ports": [{"name": "mesh", "containerPort": 15001}]}
HTTP: Manifest = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
METRICS: Manifest = {"name": "metrics", "port": 9100, "targetPort": 9100, "protocol": "TCP"}
LISTENER: Manifest = {"name": "bot-1", "port": 443, "hostname": "support.acme.example"}


def deployment(*containers: Manifest) -> Manifest:
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": copy.deepcopy(list(containers))}}}}


def service(*ports: Manifest) -> Manifest:
    return {"kind": "Service", "spec": {"ports": list(ports)}}


def listeners(*listeners: Manifest) -> Manifest:
    return {"kind": "ListenerSet", "spec": {"listeners": list(listeners)}}


def put_back(path: str, element: Manifest) -> list[Manifest]:
    return [{"op": "replace", "path": path, "value": element}]


CONTAINERS = "/spec/template/spec/containers"
UNPORTED = {"name": "runtime", "image": "runtime:1"}
OTHER_PORT = {**RUNTIME, "ports": [{"name": "http", "containerPort": 8081, "protocol": "TCP"}]}


@pytest.mark.parametrize(
    ("desired", "live", "patch"),
    [
        pytest.param(
            deployment(RUNTIME),
            deployment(SIDECAR, RUNTIME | {"name": "mine", "image": "other:1"}),
            put_back(f"{CONTAINERS}/1", RUNTIME),
            id="container",
        ),
        pytest.param(
            deployment(RUNTIME),
            deployment(SIDECAR, OTHER_PORT),
            put_back(f"{CONTAINERS}/1/ports/0", {"name": "http", "containerPort": 8080}),
            id="port-of-a-container",
        ),
        pytest.param(
            service(HTTP),
            service(METRICS, HTTP | {"port": 81}),
            put_back("/spec/ports/1", HTTP),
            id="port-of-a-service",
        ),
        pytest.param(
            service(HTTP), service(HTTP | {"protocol": "UDP"}), put_back("/spec/ports/0", HTTP), id="protocol"
        ),
        pytest.param(
            listeners(LISTENER),
            listeners(LISTENER | {"name": "mine"}),
            put_back("/spec/listeners/0", LISTENER),
            id="listener",
        ),
        pytest.param(deployment(RUNTIME), deployment(SIDECAR, RUNTIME), [], id="sidecar"),
        pytest.param(deployment(RUNTIME), deployment(SIDECAR), [], id="removed-beside-a-sidecar"),
        pytest.param(deployment(UNPORTED), deployment(UNPORTED | {"name": "mine"}), [], id="nothing-in-common"),
        pytest.param(service(HTTP), service(HTTP, METRICS), [], id="port-of-others"),
        pytest.param(service(HTTP), service(METRICS), [], id="only-the-port-of-others"),
        pytest.param(service(HTTP), service(HTTP | {"targetPort": 1}), [], id="what-an-apply-puts-right"),
        pytest.param(service(HTTP), {"kind": "Service", "spec": {}}, [], id="no-list"),
        pytest.param(
            {"kind": "NetworkPolicy", "spec": {"ports": [{"port": 1, "name": "a"}]}},
            {"kind": "NetworkPolicy", "spec": {"ports": [{"port": 2, "name": "a"}]}},
            [],
            id="kinds-whose-lists-are-one-value",
        ),
    ],
)
def test_only_what_cannot_be_beside_ours_is_put_back(desired: Manifest, live: Manifest, patch: list[Manifest]) -> None:
    assert mending.renamed(desired, live) == patch


def test_one_element_is_put_in_the_place_of_one() -> None:
    both = service(HTTP, METRICS), service(HTTP | {"port": 81}, METRICS | {"port": 82})
    assert [each["path"] for each in mending.renamed(*both)] == ["/spec/ports/0", "/spec/ports/1"]


def test_what_was_put_back_is_let_go_of_and_nothing_else() -> None:
    theirs = [{"manager": "hpa", "operation": "Update"}, {"manager": mending.MANAGER, "operation": "Apply"}]
    held: Manifest = {"metadata": {"managedFields": [*theirs, {"manager": mending.MANAGER, "operation": "Update"}]}}
    assert not mending.is_finished(held)
    assert mending.released(held) == [{"op": "replace", "path": "/metadata/managedFields", "value": theirs}]
    free: Manifest = {"metadata": {"managedFields": theirs}}
    assert mending.is_finished(free)
    assert mending.released(free) == []


@virtual_time
@pytest.mark.parametrize("dies_after", [0, 1])
async def test_a_port_that_was_changed_is_put_back_and_nothing_is_held_on_to(dies_after: int) -> None:
    """Also by an operator that begins where another died after it had put the port back."""
    cluster = FakeCluster()
    for manifest in (provider(), chatbot()):
        cluster.create(manifest)
    async with Harness(cluster) as harness:
        await harness.settle()
        wanted = cluster.get("Service", "support")["spec"]
        changed = copy.deepcopy(wanted)
        changed["ports"][0]["port"] += 1
        if not dies_after:
            cluster.edit("Service", "support", spec=changed)
            await harness.settle()
    if dies_after:
        live = cluster.edit("Service", "support", spec=changed)
        await cluster.patch(SERVICE, live, put_back("/spec/ports/0", wanted["ports"][0]), mending.MANAGER)
        cluster.writes.clear()
        async with Harness(cluster) as harness:
            await harness.settle()
    found = cluster.get("Service", "support")
    assert found["spec"] == wanted
    assert mending.MANAGER not in {entry["manager"] for entry in found["metadata"]["managedFields"]}
    of_service = [verb for verb, kind, _ in cluster.writes if kind == "Service"]
    assert of_service == (["apply", "patch"] if dies_after else ["apply", "patch", "apply", "patch"])
