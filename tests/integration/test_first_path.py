import asyncio
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from support.api import Api, Manifest, eventually, until_empty
from support.children import INGRESS_BOT, children
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


async def ready(api: Api, namespace: str, bot: str = "support") -> None:
    await eventually(lambda: api.is_ready(namespace, bot))


async def acme(api: Api, namespace: str, **spec: Any) -> None:
    """Make a bot with a Provider and a Plugin, and wait until it is Ready."""
    spec = {"plugins": [{"name": "returns"}], "exposure": exposed()} | spec
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace), chatbot(namespace=namespace, **spec))
    await ready(api, namespace)


async def test_a_chatbot_becomes_ready_and_its_table_tells_the_truth(
    api: Api, namespace: str, kubectl: Kubectl
) -> None:
    await acme(api, namespace)
    table = kubectl("get", "chatbots", "-n", namespace).stdout.splitlines()
    assert table[0].split() == ["NAME", "READY", "STATE", "URL", "MODEL", "PLUGINS", "REPLICAS", "AGE"]
    cells = table[1].split()
    assert cells[:-1] == ["support", "True", "Active", f"https://support.{namespace}.example", "demo/demo", "1", "1"]
    waited = kubectl("wait", "chatbot/support", "-n", namespace, "--for=condition=Ready", "--timeout=5s")
    assert waited.returncode == 0, waited.stderr


async def test_children_are_ours_alone_and_bear_no_trace_of_the_watching_library(api: Api, namespace: str) -> None:
    await acme(api, namespace)
    bot = await api.get("Chatbot", namespace, "support")
    assert bot is not None
    made = await children(api, namespace)
    assert sorted(child["kind"] for child in made) == sorted(kind.name for kind in INGRESS_BOT)
    for child in made:
        owner = child["metadata"]["ownerReferences"]
        assert [(o["uid"], o["controller"]) for o in owner] == [(bot["metadata"]["uid"], True)]
        appliers = {e["manager"] for e in child["metadata"]["managedFields"] if e["operation"] == "Apply"}
        assert appliers == {"smarter-operator"}
    assert "kopf" not in str([bot, *made])
    assert "finalizers" not in bot["metadata"]


async def test_deleting_a_chatbot_leaves_nothing_behind(api: Api, namespace: str) -> None:
    await acme(api, namespace)
    await api.delete("Chatbot", namespace, "support")

    async def left() -> list[str]:
        rest = [*await children(api, namespace), *await api.list_all("Pod", namespace)]
        return [f"{item.get('kind', 'Pod')} {item['metadata']['name']}" for item in rest]

    # The garbage collector learns of new kinds only every 30 s.
    await until_empty(left, 90)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 7777}]}}, id="Service"),
        pytest.param({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mine": "yes"}}, id="ConfigMap"),
        pytest.param(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": {"app": "mine"}},
                    "template": {
                        "metadata": {"labels": {"app": "mine"}},
                        "spec": {"containers": [{"name": "mine", "image": "mine:1"}]},
                    },
                },
            },
            id="Deployment",
        ),
    ],
)
async def test_a_users_own_object_of_a_childs_name_stays_untouched(api: Api, namespace: str, own: Manifest) -> None:
    name = "support-config" if own["kind"] == "ConfigMap" else "support"
    mine = {**own, "metadata": {"name": name, "namespace": namespace}}
    await api.apply(mine, manager="somebody")
    before = await api.get(own["kind"], namespace, name)
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))

    async def refused() -> bool:
        return (await api.condition(namespace, "support", "Accepted"))[:2] == ("False", "NameTaken")

    await eventually(refused)
    message = (await api.condition(namespace, "support", "Ready"))[2]
    assert f"{own['kind']} {name!r}" in message
    after = await api.get(own["kind"], namespace, name)
    assert before is not None
    assert after is not None
    assert _of_the_user(after) == _of_the_user(before)
    assert "smarter-operator" not in str(after["metadata"]["managedFields"])
    assert await children(api, namespace) == []


def _of_the_user(manifest: Manifest) -> Manifest:
    metadata = {key: manifest["metadata"].get(key) for key in ("uid", "labels", "ownerReferences")}
    return {"metadata": metadata, "spec": manifest.get("spec"), "data": manifest.get("data")}


async def test_a_pod_that_ignores_a_reload_keeps_the_config_from_counting_as_live(
    api: Api, namespace: str, data_plane: DataPlane
) -> None:
    await acme(api, namespace)
    pod = next(pod for pod in data_plane.pods.values() if pod.namespace == namespace)
    pod.stubborn = True
    await api.apply(
        chatbot(namespace=namespace, plugins=[{"name": "returns"}], exposure=exposed(), systemPrompt="New.")
    )

    async def old() -> bool:
        return (await api.condition(namespace, "support", "ConfigLive"))[:2] == ("False", "OldConfig")

    await eventually(old)
    assert not await api.is_ready(namespace, "support")
    await asyncio.sleep(3)
    assert await old()
    pod.stubborn = False
    await ready(api, namespace)


async def test_a_plugin_edit_goes_live_without_touching_the_pods(
    api: Api, namespace: str, data_plane: DataPlane
) -> None:
    await acme(api, namespace)
    pods = {uid for uid, pod in data_plane.pods.items() if pod.namespace == namespace}
    before = (await api.get("Chatbot", namespace, "support") or {})["status"]["configHash"]
    await api.apply(plugin(namespace=namespace, static={"data": {"window": "60 days"}}))

    async def changed() -> bool:
        status = (await api.get("Chatbot", namespace, "support") or {})["status"]
        live = {c["type"]: c["status"] for c in status["conditions"]}["ConfigLive"]
        return bool(status["configHash"] != before and live == "True")

    await eventually(changed)
    assert {uid for uid, pod in data_plane.pods.items() if pod.namespace == namespace} == pods


@pytest.mark.parametrize("kind", [kind.name for kind in INGRESS_BOT])
async def test_a_deleted_child_comes_back(api: Api, namespace: str, kind: str) -> None:
    await acme(api, namespace)
    old = next(child for child in await children(api, namespace) if child["kind"] == kind)
    await api.delete(kind, namespace, old["metadata"]["name"])

    async def back() -> bool:
        new = await api.get(kind, namespace, old["metadata"]["name"])
        return new is not None and new["metadata"]["uid"] != old["metadata"]["uid"]

    await eventually(back, 10)


@pytest.mark.parametrize(
    ("kind", "name", "drift", "path"),
    [
        pytest.param("Deployment", "support", {"spec": {"replicas": 3}}, ("spec", "replicas"), id="Deployment"),
        pytest.param("Service", "support", {"spec": {"selector": {"a": "b"}}}, ("spec", "selector"), id="Service"),
        pytest.param("Ingress", "support", {"spec": {"tls": None}}, ("spec", "tls"), id="Ingress"),
        pytest.param("ConfigMap", "support-config", {"binaryData": None}, ("binaryData",), id="ConfigMap"),
        pytest.param(
            "ServiceAccount",
            "support",
            {"automountServiceAccountToken": True},
            ("automountServiceAccountToken",),
            id="ServiceAccount",
        ),
        pytest.param("NetworkPolicy", "support", {"spec": {"egress": [{}]}}, ("spec", "egress"), id="NetworkPolicy"),
    ],
)
async def test_a_changed_child_is_put_right_and_what_others_added_stays(
    api: Api, namespace: str, kind: str, name: str, drift: Manifest, path: tuple[str, ...]
) -> None:
    await acme(api, namespace)

    async def value() -> Any:
        found: Any = await api.get(kind, namespace, name)
        for step in path:
            found = found.get(step) if found else None
        return found

    wanted = await value()
    foreign = {"metadata": {"annotations": {"somebody.example/else": "kept"}}}
    await api.patch(kind, namespace, name, foreign)
    await api.patch(kind, namespace, name, drift)

    async def restored() -> bool:
        now = await value()
        return bool(now == wanted)

    await eventually(restored, 10)
    kept = await api.get(kind, namespace, name)
    assert kept is not None
    assert kept["metadata"]["annotations"]["somebody.example/else"] == "kept"


async def test_maintenance_changes_the_config_and_nothing_else(
    api: Api, namespace: str, kubectl: Kubectl, data_plane: DataPlane
) -> None:
    await acme(api, namespace)
    before = {(c["kind"], c["metadata"]["name"]): c for c in await children(api, namespace)}
    await acme(api, namespace, state="Maintenance", language="de")
    table = kubectl("get", "chatbots", "-n", namespace).stdout.splitlines()
    assert table[1].split()[:3] == ["support", "True", "Maintenance"]
    status, reason, message = await api.condition(namespace, "support", "Ready")
    assert (status, reason) == ("True", "Maintenance")
    assert f"https://support.{namespace}.example" in message
    bot = await api.get("Chatbot", namespace, "support")
    assert bot is not None
    assert "Wartungsarbeiten" in bot["status"]["defaults"]["maintenanceMessage"]
    after = {(c["kind"], c["metadata"]["name"]): c for c in await children(api, namespace)}
    assert {key for key in after if _written(after[key]) != _written(before[key])} == {("ConfigMap", "support-config")}
    assert {key: c["metadata"]["uid"] for key, c in after.items()} == {
        key: c["metadata"]["uid"] for key, c in before.items()
    }


def _written(manifest: Manifest) -> Manifest:
    return {member: value for member, value in manifest.items() if member not in ("metadata", "status")}


async def test_what_cannot_be_served_is_refused_with_a_reason(api: Api, namespace: str) -> None:
    budget = {"amount": "5", "currency": "USD", "period": "Month"}
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, budget=budget))

    async def refused() -> bool:
        status, reason, message = await api.condition(namespace, "support", "Ready")
        return (status, reason) == ("False", "StoreRequired") and "`spec.storeRef`" in message

    await eventually(refused)
    assert await children(api, namespace) == []


async def test_a_store_says_whether_it_can_be_used(api: Api, namespace: str, kubectl: Kubectl) -> None:
    store = {
        "apiVersion": "smarter.sh/v1alpha1",
        "kind": "Store",
        "metadata": {"name": "main", "namespace": namespace},
        "spec": {"type": "Redis", "host": "10.0.0.7"},
    }
    await api.apply(store)

    async def said(reason: str) -> bool:
        found = await api.get("Store", namespace, "main") or {}
        conditions = {c["type"]: c for c in found.get("status", {}).get("conditions", [])}
        return bool(conditions.get("Ready", {}).get("reason") == reason)

    await eventually(lambda: said("AddressNotAllowed"))
    assert "False" in kubectl("get", "stores", "-n", namespace).stdout
    await api.apply({**store, "spec": {"type": "Redis", "host": "redis.example"}})
    await eventually(lambda: said("Ready"))


async def test_quota_is_a_reason_and_goes_away_with_its_cause(api: Api, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"services": "0"}},
    }
    await api.apply(quota)
    await eventually(lambda: _enforced(api, namespace))
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))

    async def refused() -> bool:
        _, reason, message = await api.condition(namespace, "support", "Ready")
        return reason == "ApplyRefused" and "exceeded quota" in message

    await eventually(refused, 10)
    await api.delete("ResourceQuota", namespace, "none")
    await ready(api, namespace)


async def _enforced(api: Api, namespace: str) -> bool:
    found = await api.get("ResourceQuota", namespace, "none") or {}
    return "hard" in found.get("status", {})


async def test_the_service_account_was_never_denied_anything(operator: OperatorProcess) -> None:
    samples = [
        line for line in (await operator.metrics()).splitlines() if line.startswith("smarter_api_requests_total")
    ]
    assert any('verb="PATCH"' in line for line in samples)
    # A quota refuses with the same code, but only what is applied.
    assert not [line for line in samples if 'code="403"' in line and 'verb="PATCH"' not in line]
    assert 'is forbidden: User \\"system:serviceaccount' not in operator.log.read_text()
