"""The Secret with a bot's session key: made once, never read, and made anew when the pods miss it."""

import base64
from typing import Any

import pytest

from smarter_operator.cluster import ClusterError, Manifest, NotFound, Rejected
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

UID = "0a1b2c3d-0000-4000-8000-000000000000"
SECRET = "support-session-0a1b2c3d"
MISSED = [("SessionKeyMissing", "Cannot read the file `session-key`: No such file or directory.")]


def acme(**spec: Any) -> FakeCluster:
    cluster = FakeCluster()
    made = chatbot(**spec)
    made["metadata"]["uid"] = UID
    for manifest in (provider(), made):
        cluster.create(manifest)
    return cluster


def secrets(cluster: FakeCluster) -> list[str]:
    return [name for kind, _, name in cluster.objects if kind == "Secret"]


def creates(cluster: FakeCluster) -> int:
    return cluster.writes.count(("create", "Secret", SECRET))


def mounted(cluster: FakeCluster) -> Any:
    volumes = {v["name"]: v for v in cluster.get("Deployment", "support")["spec"]["template"]["spec"]["volumes"]}
    return volumes["secrets"]["projected"]["sources"]


@virtual_time
async def test_a_bot_gets_a_key_of_its_own_before_its_pods_and_mounts_it() -> None:
    cluster = acme()
    async with Harness(cluster):
        made = cluster.get("Secret", SECRET)
        assert len(base64.b64decode(made["data"]["session-key"])) == 32
        assert (made["type"], made["metadata"]["labels"]["app.kubernetes.io/managed-by"]) == (
            "Opaque",
            "smarter-operator",
        )
        [owner] = made["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("Chatbot", UID, True)
        item = {"key": "session-key", "path": "session-key"}
        assert mounted(cluster) == [{"secret": {"name": SECRET, "items": [item], "optional": True}}]
        assert cluster.status("Chatbot", "support")["sessionSecret"] == SECRET
        kinds = [kind for _, kind, _ in cluster.writes]
        assert kinds.index("Secret") < kinds.index("Deployment")


@virtual_time
async def test_two_bots_have_two_keys() -> None:
    cluster = acme()
    other = chatbot("other")
    other["metadata"]["uid"] = "1" * 36
    cluster.create(other)
    async with Harness(cluster):
        keys = [manifest["data"] for (kind, _, _), manifest in cluster.objects.items() if kind == "Secret"]
    assert len(keys) == 2
    assert keys[0] != keys[1]


@virtual_time
async def test_it_is_never_asked_for_and_a_restart_creates_nothing() -> None:
    cluster = acme()
    async with Harness(cluster) as harness:
        await harness.settle(20)
    async with Harness(cluster) as harness:
        cluster.edit("Chatbot", "support", spec=chatbot(systemPrompt="You are brief.")["spec"])
        await harness.settle(100)
    assert creates(cluster) == 1
    assert [kind for kind, _ in (*cluster.reads, *cluster.lists) if kind == "Secret"] == []


@virtual_time
async def test_a_key_that_is_there_although_nothing_is_known_of_it_is_kept() -> None:
    cluster = acme()
    async with Harness(cluster):
        pass
    before = cluster.get("Secret", SECRET)
    cluster.edit("Chatbot", "support", status={})
    async with Harness(cluster):
        assert cluster.get("Secret", SECRET) == before
        assert cluster.status("Chatbot", "support")["sessionSecret"] == SECRET


@virtual_time
async def test_a_key_that_the_pods_miss_is_made_anew_and_they_are_nudged() -> None:
    cluster = acme()
    async with Harness(cluster) as harness:
        harness.deploy("support")
        address = harness.run_pod("support")
        await harness.settle()
        before = cluster.get("Secret", SECRET)
        cluster.remove("Secret", SECRET)
        cluster.writes.clear()
        harness.answer(address, "pod-support-0", harness.served("support"), MISSED)
        await harness.settle(90)
        assert cluster.get("Secret", SECRET)["data"] != before["data"]
        assert ("nudge", "Pod", "support-0") in cluster.writes
        assert cluster.condition("support", "Available") == ("False", "SessionKeyMissing")
        harness.answer(address, "pod-support-0", harness.served("support"))
        await harness.settle(90)
        assert cluster.condition("support", "Available") == ("True", "Serving")
        cluster.writes.clear()
        await harness.settle(300)
        assert cluster.writes == []


@virtual_time
async def test_while_pods_go_on_to_miss_it_it_is_tried_again_and_not_all_the_time() -> None:
    cluster = acme()
    async with Harness(cluster) as harness:
        harness.deploy("support")
        harness.run_pod("support", problems=MISSED)
        await harness.settle(5)
        cluster.remove("Secret", SECRET)
        await harness.settle(20)
        assert secrets(cluster) == [SECRET], "also one that went before the pods had seen it"
        cluster.writes.clear()
        await harness.settle(600)
        assert 1 <= creates(cluster) <= 600 / 15


@virtual_time
async def test_a_status_that_a_backup_brought_back_is_not_believed() -> None:
    cluster = acme()
    cluster.edit("Chatbot", "support", status={"sessionSecret": "support-session-00000000"})
    async with Harness(cluster):
        assert secrets(cluster) == [SECRET]
        assert cluster.status("Chatbot", "support")["sessionSecret"] == SECRET


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Rejected("exceeded quota: secrets"), id="quota"),
        pytest.param(NotFound("the namespace is not there"), id="namespace"),
    ],
)
@virtual_time
async def test_a_refused_secret_is_a_reason_and_the_bot_is_deployed_all_the_same(error: ClusterError) -> None:
    cluster = acme()
    cluster.refuse = lambda verb, manifest: error if manifest["kind"] == "Secret" else None
    async with Harness(cluster) as harness:
        assert cluster.condition("support", "Available") == ("False", "SecretRefused")
        assert "sessionSecret" not in cluster.status("Chatbot", "support")
        assert cluster.get("Deployment", "support")
        cluster.refuse = lambda verb, manifest: None
        await harness.settle(20)
        assert secrets(cluster) == [SECRET]
        assert cluster.status("Chatbot", "support")["sessionSecret"] == SECRET


@pytest.mark.parametrize(
    "spec",
    [pytest.param({"state": "Offline"}, id="offline"), pytest.param({"budget": {"amount": "1"}}, id="refused")],
)
@virtual_time
async def test_a_bot_without_pods_needs_none(spec: dict[str, Any]) -> None:
    cluster = acme(**spec)
    async with Harness(cluster):
        assert secrets(cluster) == []


@virtual_time
async def test_what_was_made_for_a_bot_whose_name_is_taken_is_taken_back() -> None:
    cluster = acme()
    theirs: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "support", "namespace": "acme"}}
    cluster.create(theirs)
    async with Harness(cluster):
        assert cluster.condition("support", "Accepted") == ("False", "NameTaken")
        assert secrets(cluster) == []
        assert "sessionSecret" not in cluster.status("Chatbot", "support")
