"""One thing changes the pods of many bots: they are replaced a few at a time, and nobody is forgotten."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smarter_operator.cluster import Manifest, Unavailable
from smarter_operator.resources.secret_volume import mounts_of
from smarter_operator.rollouts import is_rolling_out
from smarter_operator.settings import Settings
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import SETTINGS, Harness
from support.virtual_time import virtual_time

BOTS = tuple(f"bot-{number}" for number in range(6))
NEW = SETTINGS.model_copy(update={"runtime_image": "runtime:2", "max_rollouts": 2})
INSIDE: dict[str, Any] = {"exposure": {"type": "None"}}


async def converged() -> FakeCluster:
    """Return a cluster in which all bots run the old image."""
    cluster = FakeCluster()
    cluster.create(provider())
    for name in BOTS:
        cluster.create(chatbot(name, **INSIDE))
    async with Harness(cluster) as harness:
        finish(harness, BOTS)
        await harness.settle()
    return cluster


def upgraded(cluster: FakeCluster, settings: Settings = NEW) -> Harness:
    return Harness(cluster, settings)


def finish(harness: Harness, bots: Iterable[str]) -> None:
    for name in bots:
        harness.deploy(name)


def image(cluster: FakeCluster, bot: str) -> str:
    [container] = cluster.get("Deployment", bot)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def renewed(cluster: FakeCluster) -> set[str]:
    return {
        name for name in BOTS if ("Deployment", "acme", name) in cluster.objects and image(cluster, name) == "runtime:2"
    }


def rolling(cluster: FakeCluster) -> set[str]:
    there = {name for name in BOTS if ("Deployment", "acme", name) in cluster.objects}
    return {name for name in there if is_rolling_out(cluster.get("Deployment", name))}


@virtual_time
async def test_a_new_image_reaches_all_bots_a_few_at_a_time() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        for done in range(0, len(BOTS), 2):
            assert len(renewed(cluster)) == done + 2
            assert len(rolling(cluster)) == 2
            finish(harness, rolling(cluster))
            await harness.settle()
        assert renewed(cluster) == set(BOTS)
        assert rolling(cluster) == set()
        cluster.writes.clear()
        await harness.settle(1000)
        assert cluster.writes == []


@virtual_time
async def test_a_bot_that_waits_says_so_and_is_ready() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        await harness.settle(10)
        for name in set(BOTS) - renewed(cluster):
            assert cluster.condition(name, "Available") == ("True", "RolloutWaiting")
            assert cluster.condition(name, "Ready") == ("True", "Ready")
        for _ in range(3):
            finish(harness, rolling(cluster))
            await harness.settle(10)
        assert {cluster.condition(name, "Available") for name in BOTS} == {("True", "Serving")}


@virtual_time
async def test_a_restart_in_the_middle_starts_no_rollout_too_many() -> None:
    cluster = await converged()
    async with upgraded(cluster):
        before = renewed(cluster)
    async with upgraded(cluster) as harness:
        await harness.settle(60)
        assert renewed(cluster) == before
        assert len(before) == 2


@virtual_time
async def test_a_failed_rollout_frees_its_slot() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        [failing, _] = sorted(rolling(cluster))
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        generation = cluster.get("Deployment", failing)["metadata"]["generation"]
        counts = {"observedGeneration": generation, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}
        cluster.edit("Deployment", failing, status=counts | {"conditions": [late]})
        await harness.settle()
        assert len(renewed(cluster)) == 3


@virtual_time
async def test_a_bot_that_is_deleted_frees_its_slot() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        [gone, _] = sorted(rolling(cluster))
        cluster.remove("Chatbot", gone)
        cluster.remove("Deployment", gone)
        await harness.settle()
        assert len(renewed(cluster)) == 2


@virtual_time
async def test_a_bot_that_waited_and_is_gone_keeps_nobody_waiting() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        for gone in sorted(set(BOTS) - renewed(cluster))[:3]:
            cluster.remove("Chatbot", gone)
            cluster.remove("Deployment", gone)
        finish(harness, rolling(cluster))
        await harness.settle()
        assert len(renewed(cluster)) == 3


KEYED = {"type": "OpenAI", "defaultModel": "gpt"}


def keyed(secret: str) -> Manifest:
    return KEYED | {"apiKeySecret": {"name": secret, "key": "api-key"}}


def mounting(cluster: FakeCluster, secret: str) -> set[str]:
    """Return the bots whose pods have a Secret, or are getting it."""
    deployments = {name: cluster.get("Deployment", name) for name in BOTS}
    found = {name: mounts_of(each["spec"]["template"]["spec"]) for name, each in deployments.items()}
    return {name for name, mounts in found.items() if any(mount.secret_name == secret for mount in mounts)}


@asynccontextmanager
async def with_another_secret() -> AsyncIterator[tuple[FakeCluster, Harness]]:
    """Run an operator just after the Provider of all bots has got another Secret."""
    cluster = await converged()
    async with upgraded(cluster, SETTINGS.model_copy(update={"max_rollouts": 2})) as harness:
        await harness.settle()
        cluster.edit("Provider", "demo", spec=keyed("openai"))
        await harness.settle()
        yield cluster, harness


@virtual_time
async def test_another_secret_of_a_provider_reaches_the_bots_that_use_it_a_few_at_a_time() -> None:
    async with with_another_secret() as (cluster, harness):
        for done in range(0, len(BOTS), 2):
            assert len(mounting(cluster, "openai")) == done + 2
            assert len(rolling(cluster)) == 2
            finish(harness, rolling(cluster))
            await harness.settle()
        assert mounting(cluster, "openai") == set(BOTS)
        assert rolling(cluster) == set()


@virtual_time
async def test_who_waits_for_a_secret_serves_the_config_without_it_and_says_so() -> None:
    async with with_another_secret() as (cluster, harness):
        waiting = min(set(BOTS) - mounting(cluster, "openai"))
        before = harness.served(waiting)
        harness.run_pod(waiting)
        await harness.settle(60)
        assert harness.served(waiting) == before
        assert cluster.condition(waiting, "Available") == ("True", "RolloutWaiting")
        assert cluster.condition(waiting, "ConfigLive") == ("False", "MountingSecrets")


@pytest.mark.parametrize(
    ("edit", "secret"),
    [
        pytest.param({"model": {"providerRef": {"name": "other"}}}, "other", id="another-provider"),
        pytest.param({"systemPrompt": "You are brief."}, "openai", id="an-edit-that-could-not-go-live-without"),
    ],
)
@virtual_time
async def test_a_secret_that_a_users_own_edit_needs_does_not_wait(edit: Manifest, secret: str) -> None:
    async with with_another_secret() as (cluster, harness):
        cluster.create(provider("other", **keyed("other")))
        waiting = min(set(BOTS) - mounting(cluster, "openai"))
        cluster.edit("Chatbot", waiting, spec=chatbot(waiting, **INSIDE | edit)["spec"])
        await harness.settle()
        assert waiting in mounting(cluster, secret)
        assert len(rolling(cluster)) == 3


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"resources": {"limits": {"memory": "1Gi"}}}, id="resources"),
        pytest.param({"podTemplate": {"labels": {"team": "web"}}}, id="pod-template"),
        pytest.param({"scaling": {"type": "Fixed", "replicas": 0}}, id="scaling"),
    ],
)
@virtual_time
async def test_a_users_own_edit_does_not_wait(edit: dict[str, Any]) -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        waiting = min(set(BOTS) - renewed(cluster))
        cluster.edit("Chatbot", waiting, spec=chatbot(waiting, **INSIDE, **edit)["spec"])
        await harness.settle()
        assert waiting in renewed(cluster)
        assert len(renewed(cluster)) == 3


@virtual_time
async def test_what_somebody_changed_by_hand_is_put_right_at_once() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        finish(harness, rolling(cluster))
        await harness.settle()
        changed = min(renewed(cluster) - rolling(cluster))
        spec = cluster.get("Deployment", changed)["spec"]
        template = {**spec["template"], "spec": {**spec["template"]["spec"], "serviceAccountName": "mine"}}
        cluster.edit("Deployment", changed, spec=spec | {"template": template})
        await harness.settle()
        assert cluster.get("Deployment", changed)["spec"]["template"]["spec"]["serviceAccountName"] == changed


@virtual_time
async def test_a_config_reaches_a_bot_whose_pods_wait() -> None:
    cluster = await converged()
    async with upgraded(cluster) as harness:
        waiting = min(set(BOTS) - renewed(cluster))
        before = harness.served(waiting)
        cluster.edit("Chatbot", waiting, spec=chatbot(waiting, **INSIDE, systemPrompt="New.")["spec"])
        await harness.settle()
        assert harness.served(waiting) != before
        assert waiting not in renewed(cluster)


@virtual_time
async def test_deployments_of_an_operator_that_kept_no_account_wait_too() -> None:
    cluster = await converged()
    for name in BOTS:
        metadata = cluster.get("Deployment", name)["metadata"]
        kept = {key: value for key, value in metadata["annotations"].items() if key == "smarter.sh/applied"}
        cluster.edit("Deployment", name, metadata=metadata | {"annotations": kept})
    async with upgraded(cluster):
        assert len(renewed(cluster)) == 2


@virtual_time
async def test_a_write_that_fails_gives_its_slot_back() -> None:
    cluster = await converged()

    def refuse(verb: str, manifest: Manifest) -> Unavailable | None:
        broken = manifest["metadata"]["name"] in BOTS[:2] and manifest.get("kind") == "Deployment"
        return Unavailable("no answer") if broken and verb == "apply" else None

    cluster.refuse = refuse
    async with upgraded(cluster) as harness:
        await harness.settle(30)
        assert len(renewed(cluster)) == 2
        finish(harness, rolling(cluster))
        await harness.settle(30)
        assert renewed(cluster) == set(BOTS[2:])


@pytest.mark.parametrize(
    ("spec", "status", "rolls"),
    [
        pytest.param({}, {"observedGeneration": 1}, True, id="not-seen-yet"),
        pytest.param({}, {"observedGeneration": 2, "replicas": 1}, True, id="no-new-pod"),
        pytest.param({}, {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1}, True, id="old-pod-left"),
        pytest.param({}, {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}, False, id="done"),
        pytest.param(
            {}, {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1}, False,
            id="a-pod-that-is-not-ready-is-no-rollout",
        ),
        pytest.param(
            {},
            {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1,
             "conditions": [{"type": "Progressing", "status": "False"}]},
            False,
            id="failed",
        ),
        pytest.param(
            {}, {"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False"}]}, True,
            id="failed-before",
        ),
        pytest.param({"paused": True}, {"observedGeneration": 1}, False, id="paused"),
        pytest.param({"replicas": 0}, {"observedGeneration": 2}, False, id="no-pods"),
    ],
)  # fmt: skip
def test_what_counts_as_a_rollout(spec: Manifest, status: Manifest, rolls: bool) -> None:
    assert is_rolling_out({"metadata": {"generation": 2}, "spec": spec, "status": status}) is rolls
