"""Which ApiKeys the pods of a Chatbot know, and how a change reaches them."""

import asyncio
import json
from typing import Any

import pytest

from smarter_crds.runtime_config import RuntimeStatus
from smarter_operator.cluster import Manifest
from support.fake_cluster import FakeCluster
from support.manifests import api_key, chatbot, exposed, provider
from support.operator_harness import EPOCH, Harness
from support.virtual_time import virtual_time

DIGESTS = [{"sha256": "0" * 64}]


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in (provider(), *manifests):
        cluster.create(manifest)
    return cluster


def harness(cluster: FakeCluster) -> Harness:
    return Harness(cluster)


def names(cluster: FakeCluster, bot: str = "support") -> list[str]:
    """Return the keys in the bot's ConfigMap."""
    document = json.loads(cluster.get("ConfigMap", f"{bot}-keys")["data"]["keys"])
    return [key["name"] for key in document["keys"]]


def listed(*bots: str) -> dict[str, Any]:
    return {"type": "Listed", "chatbots": list(bots)}


def has_keys(cluster: FakeCluster, bot: str = "support") -> bool:
    return ("ConfigMap", "acme", f"{bot}-keys") in cluster.objects


@virtual_time
async def test_a_bot_without_keys_has_no_config_map_for_them() -> None:
    cluster = acme(chatbot(), api_key("far", scope=listed("other"), digests=DIGESTS))
    async with harness(cluster):
        assert not has_keys(cluster)


@virtual_time
async def test_each_bot_knows_the_keys_that_open_it() -> None:
    cluster = acme(
        chatbot("a"), chatbot("b"), api_key("all", digests=DIGESTS), api_key("one", scope=listed("b"), digests=DIGESTS)
    )
    async with harness(cluster):
        assert names(cluster, "a") == ["all"]
        assert names(cluster, "b") == ["all", "one"]
        [owner] = cluster.get("ConfigMap", "a-keys")["metadata"]["ownerReferences"]
        assert owner["uid"] == cluster.get("Chatbot", "a")["metadata"]["uid"]


@virtual_time
async def test_a_change_of_a_key_reaches_the_chatbots_that_it_opens_and_no_other() -> None:
    far = chatbot("far", namespace="elsewhere")
    cluster = acme(chatbot("a"), chatbot("b"), far, api_key("one", scope=listed("b"), digests=DIGESTS))
    async with harness(cluster) as running:
        await running.settle(20)
        cluster.writes.clear()
        cluster.edit("ApiKey", "one", spec=api_key(scope=listed("a"), digests=DIGESTS)["spec"])
        await running.settle(20)
        assert names(cluster, "a") == ["one"]
        assert names(cluster, "b") == []
        touched = {name for verb, kind, name in cluster.writes if kind == "ConfigMap"}
        assert touched == {"a-keys", "b-keys"}


@virtual_time
async def test_a_token_is_known_only_once_its_secret_is_there_and_costs_one_write() -> None:
    cluster = acme(chatbot(), api_key())
    async with harness(cluster) as running:
        document = json.loads(cluster.get("ConfigMap", "support-keys")["data"]["keys"])
        [entry] = cluster.status("ApiKey", "backend")["issued"]
        assert document["keys"][0]["digests"] == [{"sha256": entry["sha256"]}]
        assert cluster.writes.count(("apply", "ConfigMap", "support-keys")) == 1
        token = ("Secret", entry["secretName"])
        order = [write for write in cluster.writes if write[1:] == token or write[2] == "support-keys"]
        assert [verb for verb, _, _ in order] == ["create", "apply"]
        await running.settle(20)


@virtual_time
async def test_a_token_reaches_bots_at_rest_although_the_event_of_its_status_comes_late() -> None:
    cluster = acme(chatbot())
    async with harness(cluster) as running:
        told = cluster.on_change

        def later(*event: Any) -> None:
            # As of a real watch: the answer to a write is there first, and then the event is no news.
            asyncio.get_running_loop().call_later(0.05, told, *event)

        cluster.on_change = later
        cluster.create(api_key())
        await running.settle()
        assert names(cluster) == ["backend"]
        cluster.edit("ApiKey", "backend", spec=api_key(generate={"rotation": 2}, overlapSeconds=0)["spec"])
        await running.settle()
        document = json.loads(cluster.get("ConfigMap", "support-keys")["data"]["keys"])
        [entry] = cluster.status("ApiKey", "backend")["issued"]
        assert document["keys"][0]["digests"] == [{"sha256": entry["sha256"]}]


def _delete(cluster: FakeCluster) -> None:
    cluster.remove("ApiKey", "backend")


def _narrow(cluster: FakeCluster) -> None:
    cluster.edit("ApiKey", "backend", spec=api_key(scope=listed("other"), digests=DIGESTS)["spec"])


def _break(cluster: FakeCluster) -> None:
    cluster.edit("ApiKey", "backend", spec=api_key(digests=DIGESTS, budget={"amount": "1"})["spec"])


@pytest.mark.parametrize(
    "take_back",
    [
        pytest.param(_delete, id="deleted"),
        pytest.param(_narrow, id="no-longer-listed"),
        pytest.param(_break, id="not-acceptable-any-more"),
    ],
)
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="of-a-bot-that-is-well"),
        pytest.param({"budget": {"amount": "1.00", "currency": "USD", "period": "Month"}}, id="of-a-refused-bot"),
        pytest.param({"limits": {"tokensPerDay": 0}}, id="of-a-bot-that-cannot-be-read"),
        pytest.param({"state": "Offline"}, id="of-a-bot-that-is-offline"),
    ],
)
@virtual_time
async def test_taking_a_key_back_waits_for_nothing(take_back: Any, spec: dict[str, Any]) -> None:
    cluster = acme(chatbot(), api_key(digests=DIGESTS))
    async with harness(cluster) as running:
        cluster.edit("Chatbot", "support", spec=chatbot(**spec)["spec"])
        await running.settle()
        assert names(cluster) == ["backend"]
        take_back(cluster)
        await running.settle()
        assert names(cluster) == []


@virtual_time
async def test_a_disabled_key_stays_known_so_that_its_holder_is_told() -> None:
    cluster = acme(chatbot(), api_key(digests=DIGESTS, disabled=True))
    async with harness(cluster):
        document = json.loads(cluster.get("ConfigMap", "support-keys")["data"]["keys"])
        assert document["keys"][0]["disabled"] is True


@pytest.mark.parametrize("drift", [{"data": {"keys": "{}", "hash": "x"}}, {"data": {}}], ids=["changed", "emptied"])
@virtual_time
async def test_changed_keys_are_put_right(drift: dict[str, Any]) -> None:
    cluster = acme(chatbot(), api_key(digests=DIGESTS))
    async with harness(cluster) as running:
        wanted = cluster.get("ConfigMap", "support-keys")["data"]
        cluster.edit("ConfigMap", "support-keys", **drift)
        await running.settle()
        assert cluster.get("ConfigMap", "support-keys")["data"] == wanted
        cluster.remove("ConfigMap", "support-keys")
        await running.settle()
        assert cluster.get("ConfigMap", "support-keys")["data"] == wanted


@virtual_time
async def test_a_users_own_config_map_of_that_name_stays_untouched() -> None:
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "support-keys"}, "data": {"mine": "yes"}}
    cluster = acme(own)
    before = cluster.get("ConfigMap", "support-keys")
    cluster.create(chatbot())
    cluster.create(api_key(digests=DIGESTS))
    async with harness(cluster):
        assert cluster.get("ConfigMap", "support-keys") == before
        assert cluster.condition("support", "Accepted") == ("False", "NameTaken")


@virtual_time
async def test_pods_are_nudged_until_they_know_the_newest_keys_and_the_status_says_which_does_not() -> None:
    cluster = acme(chatbot(exposure=exposed()), api_key(digests=DIGESTS))
    async with harness(cluster) as running:

        def know(keys_hash: str | None) -> None:
            status = RuntimeStatus(
                pod_uid="pod-support-0", config_hash=running.served("support"), keys_hash=keys_hash, loaded_at=EPOCH
            )
            running.pods.answers["10.0.0.1"] = status

        def wanted() -> str:
            return str(cluster.get("ConfigMap", "support-keys")["data"]["hash"])

        running.run_pod("support")
        know(wanted())
        running.deploy("support")
        running.route("support")
        await running.settle()
        assert cluster.condition("support", "Ready") == ("True", "Ready")
        cluster.writes.clear()

        cluster.remove("ApiKey", "backend")
        await running.settle(10)
        assert ("nudge", "Pod", "support-0") in cluster.writes
        assert cluster.condition("support", "ConfigLive") == ("False", "OldKeys")
        know(wanted())
        await running.settle(10)
        assert cluster.condition("support", "ConfigLive") == ("True", "Live")
        cluster.writes.clear()
        know(None)
        await running.settle(200)
        assert cluster.writes == [], "a runtime that knows no keys is left alone"


@virtual_time
async def test_a_restart_over_bots_with_keys_writes_nothing() -> None:
    cluster = acme(chatbot(), api_key(), api_key("other", digests=DIGESTS))
    async with harness(cluster) as running:
        await running.settle(30)
    cluster.writes.clear()
    async with harness(cluster) as running:
        await running.settle(200)
    assert cluster.writes == []


@virtual_time
async def test_more_keys_than_fit_are_left_out_and_named_and_the_others_can_still_be_revoked() -> None:
    many = [{"sha256": f"{number:064x}"} for number in range(8)]
    keys = [api_key(f"key-{number:04}", digests=many, displayName="x" * 255) for number in range(1200)]
    cluster = acme(chatbot(), *keys)
    async with harness(cluster) as running:
        await running.settle()
        known = names(cluster)
        assert 500 < len(known) < 1200
        conditions = {c["type"]: c for c in cluster.status("Chatbot", "support")["conditions"]}
        assert (conditions["Available"]["status"], conditions["Available"]["reason"]) == ("False", "TooManyKeys")
        assert repr(f"key-{len(known):04}") in conditions["Available"]["message"]
        cluster.remove("ApiKey", "key-0000")
        await running.settle()
        assert "key-0000" not in names(cluster)
