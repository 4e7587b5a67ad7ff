"""What is renamed by hand in a list is put back in its place, beside what others add to it, which stays."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from smarter_operator.mending import MANAGER
from support.api import Api, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess
from support.turmoil_on_api_server import replace

Manifest = dict[str, Any]
SIDECAR = {
    "name": "mesh",
    "image": "mesh:1",
    "ports": [{"name": "mesh", "containerPort": 15001}],
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


def pod(deployment: Manifest) -> Manifest:
    found: Manifest = deployment["spec"]["template"]["spec"]
    return found


def rename_container(deployment: Manifest) -> None:
    pod(deployment)["containers"][0]["name"] = "mine"
    pod(deployment)["containers"].append(SIDECAR)


def renumber_its_port(deployment: Manifest) -> None:
    pod(deployment)["containers"][0]["ports"][0]["containerPort"] += 1
    pod(deployment)["containers"].append(SIDECAR)


def renumber_port(service: Manifest) -> None:
    service["spec"]["ports"][0]["port"] += 1
    service["spec"]["ports"].append({"name": "mesh", "port": 15001, "protocol": "TCP", "targetPort": 15001})


def rename_variable(deployment: Manifest) -> None:
    pod(deployment)["containers"][0]["env"][0]["name"] = "OTHER"
    pod(deployment)["containers"].append(SIDECAR)


def runtime(deployment: Manifest) -> Manifest:
    (found,) = [each for each in pod(deployment)["containers"] if each["name"] == "runtime"]
    return {**found, "env": [each for each in found["env"] if each["name"] != "OTHER"]}


def http_port(service: Manifest) -> Manifest:
    (found,) = [each for each in service["spec"]["ports"] if each["name"] == "http"]
    return dict(found)


@pytest.mark.parametrize(
    ("kind", "harm", "ours"),
    [
        pytest.param("Deployment", rename_container, runtime, id="container"),
        pytest.param("Deployment", renumber_its_port, runtime, id="port-of-the-container"),
        pytest.param("Deployment", rename_variable, runtime, id="variable"),
        pytest.param("Service", renumber_port, http_port, id="port-of-the-service"),
    ],
)
async def test_what_is_renamed_is_put_back_and_what_is_added_stays(
    api: Api,
    namespace: str,
    operator: OperatorProcess,
    data_plane: DataPlane,
    kind: str,
    harm: Callable[[Manifest], None],
    ours: Callable[[Manifest], Manifest],
) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace))
    await eventually(lambda: api.is_ready(namespace, "support"))
    before = await live(api, kind, namespace)
    harmed = copy.deepcopy(before)
    harm(harmed)
    await replace(api, harmed)

    async def is_as_before() -> bool:
        now = await live(api, kind, namespace)
        try:
            return ours(now) == ours(before) and MANAGER not in managers(now)
        except ValueError:
            return False

    await eventually(is_as_before)
    await eventually(lambda: api.is_ready(namespace, "support"))
    now = await live(api, kind, namespace)
    elements = pod(now)["containers"] if kind == "Deployment" else now["spec"]["ports"]
    assert {each["name"] for each in elements} == {"mesh", "runtime" if kind == "Deployment" else "http"}


async def live(api: Api, kind: str, namespace: str) -> Manifest:
    found = await api.get(kind, namespace, "support")
    assert found is not None
    return {"kind": kind, **found}


def managers(manifest: Manifest) -> set[str]:
    return {entry["manager"] for entry in manifest["metadata"]["managedFields"]}
