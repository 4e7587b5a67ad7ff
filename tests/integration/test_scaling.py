"""The number of pods on a real API server: fixed, by `/scale`, and handed to the autoscaler and back."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from smarter_cluster.cluster import Cluster as LocalCluster
from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Autoscaling, Platform, References, compile_chatbot
from smarter_operator import apply, resources
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache
from smarter_operator.cluster import Conflict
from smarter_operator.kinds import BY_NAME, HORIZONTAL_POD_AUTOSCALER
from smarter_operator.kubernetes_cluster import KubernetesCluster, load_configuration, new_session
from smarter_operator.observe import observe
from smarter_operator.pods import PodReports
from smarter_operator.settings import Settings
from support.api import Api, Manifest, eventually
from support.manifests import chatbot, provider

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
INSIDE: dict[str, Any] = {"exposure": {"type": "None"}}
BY_CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}
WRITTEN = ("ServiceAccount", "ConfigMap", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")


async def deployment(api: Api, namespace: str) -> Manifest:
    found = await api.get("Deployment", namespace, "support")
    assert found is not None
    return found


async def make(api: Api, namespace: str, **spec: Any) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, **(INSIDE | spec)))


async def test_without_a_metrics_adapter_autoscaling_is_not_active_and_the_way_out_is_said(
    api: Api, namespace: str
) -> None:
    await make(api, namespace, scaling={"type": "Auto", "maxReplicas": 1})

    async def judged() -> bool:
        return (await api.condition(namespace, "support", "ScalingActive"))[:2] == ("False", "FailedGetPodsMetric")

    await eventually(judged)
    message = (await api.condition(namespace, "support", "Ready"))[2]
    assert "Install one that serves `smarter_requests_in_flight`" in message
    autoscaler = await api.get("HorizontalPodAutoscaler", namespace, "support")
    assert autoscaler is not None
    [metric] = autoscaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "smarter_requests_in_flight"

    await make(api, namespace, scaling={"type": "Fixed", "replicas": 1})
    await eventually(lambda: api.is_ready(namespace, "support"))
    assert await api.get("HorizontalPodAutoscaler", namespace, "support") is None
    assert (await api.condition(namespace, "support", "ScalingActive"))[0] == ""


async def test_a_chatbot_is_scaled_as_a_deployment_is(api: Api, namespace: str, kubectl: Kubectl) -> None:
    await make(api, namespace)
    await eventually(lambda: api.is_ready(namespace, "support"))

    def scale(replicas: int) -> None:
        result = kubectl("scale", "chatbot", "support", "-n", namespace, f"--replicas={replicas}")
        assert result.returncode == 0, result.stderr

    async def scale_of_bot() -> tuple[int, int, str]:
        path = BY_NAME["Chatbot"].path(namespace, "support")
        found = await api.call("GET", f"{path}/scale")
        # A number of 0 is left out.
        return found["spec"].get("replicas", 0), found["status"]["replicas"], found["status"]["selector"]

    assert await scale_of_bot() == (1, 1, "smarter.sh/chatbot=support")
    assert (await api.get("Chatbot", namespace, "support") or {})["status"]["readyReplicas"] == 1

    scale(0)

    async def gone() -> bool:
        empty = (await api.condition(namespace, "support", "Available"))[:2] == ("False", "ScaledToZero")
        return empty and (await scale_of_bot())[:2] == (0, 0)

    await eventually(gone)
    assert (await deployment(api, namespace))["spec"]["replicas"] == 0
    scale(1)
    await eventually(lambda: api.is_ready(namespace, "support"))
    assert (await scale_of_bot())[:2] == (1, 1)

    scale(2)

    async def refused() -> bool:
        return (await api.condition(namespace, "support", "Accepted"))[:2] == ("False", "StoreRequired")

    await eventually(refused)
    assert (await deployment(api, namespace))["spec"]["replicas"] == 1


class ByHand:
    """Brings the children of one bot about as a reconciliation does; more than one pod need no store here."""

    def __init__(self, api: Api, cluster: KubernetesCluster, bot: Manifest) -> None:
        self._api = api
        self._cluster = cluster
        self._bot = bot

    async def bring_about(self, replicas: int, autoscaling: Autoscaling | None = None) -> None:
        """Do it as often as it takes, for a controller may write to the Deployment at the same moment."""
        for _ in range(20):
            try:
                return await self._bring_about(replicas, autoscaling)
            except Conflict:
                await asyncio.sleep(0.1)
        raise AssertionError("every try met a conflict")

    async def _bring_about(self, replicas: int, autoscaling: Autoscaling | None) -> None:
        parsed = Chatbot.model_validate(self._bot | {"spec": chatbot(**INSIDE)["spec"]})
        compiled = compile_chatbot(
            parsed, References(providers={"demo": Provider.model_validate(provider())}), Platform()
        )
        settled = replace(compiled.settled, replicas=replicas, autoscaling=autoscaling)
        settings, apis, cache = Settings(runtime_image="runtime:test"), MissingApis(), Cache()
        desired = [
            child
            for child in resources.desired(parsed, replace(compiled, settled=settled), "", settings)
            if child["kind"] in WRITTEN
        ]
        for kind in map(BY_NAME.__getitem__, WRITTEN):
            for item in await self._cluster.list_objects(kind):
                cache.put(kind, item)
        world = observe(self._bot, cache, PodReports())
        await apply.prune_autoscaler(desired, world, self._cluster)
        assert (await apply.apply_children(desired, world, self._cluster, cache, apis)).refused == ()
        await apply.prune(desired, world, self._cluster, cache)

    async def numbers_since(self, before: Manifest) -> set[int]:
        """Return every number of pods that the Deployment was to have since then."""
        versions = await self._api.versions("Deployment", self._bot["metadata"]["namespace"], before)
        assert versions
        return {version["spec"]["replicas"] for version in versions}


def owners_of_replicas(manifest: Manifest) -> set[str]:
    entries = manifest["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})}


async def test_the_number_of_pods_changes_hands_without_a_dip(
    api: Api, installed: LocalCluster, namespace: str
) -> None:
    # The running operator refuses this one, for want of a store, and leaves its children alone.
    scaling = {"type": "Auto", "maxReplicas": 5}
    [bot] = await api.apply(chatbot(namespace=namespace, scaling=scaling))
    configuration = await load_configuration(str(installed.kubeconfig))
    async with new_session(configuration, connections=8) as session:
        hand = ByHand(api, KubernetesCluster(str(configuration.host), session, 30), bot)
        autoscaling = Autoscaling(min_replicas=2, max_replicas=5, target_in_flight=4)

        await hand.bring_about(3)
        fixed = await deployment(api, namespace)
        await hand.bring_about(2, autoscaling)
        assert await hand.numbers_since(fixed) == {3}
        assert owners_of_replicas(await deployment(api, namespace)) == {"smarter-handover"}

        await eventually(lambda: _judged(api, namespace))
        body = {"spec": {"replicas": 4}}
        await api.patch("Deployment", namespace, "support", body, "scale")
        await hand.bring_about(2, autoscaling)
        scaled = await deployment(api, namespace)
        assert scaled["spec"]["replicas"] == 4, "it is the autoscaler's"

        await hand.bring_about(4)
        assert await hand.numbers_since(scaled) == {4}
        assert "smarter-operator" in owners_of_replicas(await deployment(api, namespace))
        assert await api.get(HORIZONTAL_POD_AUTOSCALER.name, namespace, "support") is None

        # There and back while nobody else wrote the number: no trace of the hand-over stays.
        await hand.bring_about(2, autoscaling)
        await hand.bring_about(4)
        back = await deployment(api, namespace)
        assert await hand.numbers_since(scaled) == {4}
        appliers = {e["manager"] for e in back["metadata"]["managedFields"] if e["operation"] == "Apply"}
        assert appliers == {"smarter-operator"}


async def _judged(api: Api, namespace: str) -> bool:
    found = await api.get(HORIZONTAL_POD_AUTOSCALER.name, namespace, "support") or {}
    return bool(found.get("status", {}).get("conditions"))


async def test_an_autoscaler_can_wake_a_bot_without_pods(api: Api, installed: LocalCluster, namespace: str) -> None:
    [bot] = await api.apply(chatbot(namespace=namespace, scaling={"type": "Auto", "maxReplicas": 5}))
    configuration = await load_configuration(str(installed.kubeconfig))
    async with new_session(configuration, connections=8) as session:
        hand = ByHand(api, KubernetesCluster(str(configuration.host), session, 30), bot)
        await hand.bring_about(0)
        await hand.bring_about(2, Autoscaling(min_replicas=2, max_replicas=5, target_in_flight=4))

    async def two() -> bool:
        return bool((await deployment(api, namespace))["spec"]["replicas"] == 2)

    await eventually(two)


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param({"maxReplicas": 50}, id="more-pods-than-asked-for"),
        pytest.param({"metrics": [BY_CPU]}, id="by-cpu"),
    ],
)
async def test_an_autoscaler_that_was_changed_is_put_right(api: Api, namespace: str, drift: Manifest) -> None:
    await make(api, namespace, scaling={"type": "Auto", "maxReplicas": 1})

    async def spec() -> Manifest:
        found = await api.get("HorizontalPodAutoscaler", namespace, "support") or {}
        return dict(found.get("spec", {}))

    wanted = await eventually(spec)
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    await api.patch("HorizontalPodAutoscaler", namespace, "support", {"spec": {"behavior": behavior} | drift})

    async def restored() -> bool:
        now = await spec()
        return {key: now[key] for key in wanted} == wanted

    await eventually(restored, 10)
    assert (await spec())["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60


async def test_an_autoscaler_of_somebody_elses_with_the_bots_name_stays_as_it_is(api: Api, namespace: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"}
    theirs = {
        "apiVersion": "autoscaling/v2",
        "kind": HORIZONTAL_POD_AUTOSCALER.name,
        "metadata": {"name": "support", "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2},
    }
    await api.apply(theirs, manager="somebody")
    await make(api, namespace, scaling={"type": "Auto", "maxReplicas": 1})

    async def refused() -> bool:
        return (await api.condition(namespace, "support", "Accepted"))[:2] == ("False", "NameTaken")

    await eventually(refused)
    found = await api.get(HORIZONTAL_POD_AUTOSCALER.name, namespace, "support")
    assert found is not None
    assert found["spec"]["scaleTargetRef"] == target
    assert "ownerReferences" not in found["metadata"]
