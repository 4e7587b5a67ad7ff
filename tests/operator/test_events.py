"""Kubernetes Events: told when something changes, counted when it repeats, and never once per retry."""

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from smarter_operator.cluster import ClusterError, Manifest, Rejected, Unavailable
from smarter_operator.leader import Elector
from smarter_operator.news import News
from smarter_operator.recorder import PER_OBJECT, PER_OBJECT_SECONDS, Recorder
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, plugin, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time


def told(cluster: FakeCluster, about: str = "support") -> list[tuple[str, str, int]]:
    """Return type, reason and count of every Event about an object, the newest last."""
    found = [event for event in cluster.events.values() if event["involvedObject"]["name"] == about]
    return [(event["type"], event["reason"], event["count"]) for event in found]


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in (provider(), *manifests):
        cluster.create(manifest)
    return cluster


class HeldLease:
    """A Lease that another replica renews all the time."""

    def __init__(self) -> None:
        self._versions = itertools.count()

    async def read(self) -> Manifest:
        spec = {"holderIdentity": "leader", "leaseDurationSeconds": 15}
        return {"metadata": {"resourceVersion": str(next(self._versions))}, "spec": spec}

    async def create(self, spec: dict[str, Any]) -> Manifest:
        raise AssertionError("the Lease exists")

    async def replace(self, lease: Manifest, spec: dict[str, Any]) -> Manifest:
        raise AssertionError("the Lease is held")


def refuse_services(verb: str, manifest: Manifest) -> ClusterError | None:
    refused = verb == "apply" and manifest["kind"] == "Service"
    return Rejected("exceeded quota: services") if refused else None


@virtual_time
async def test_a_new_bot_tells_that_it_is_accepted_and_then_that_it_is_ready() -> None:
    async with Harness(acme(chatbot())) as harness:
        assert told(harness.cluster) == [("Normal", "Accepted", 1)]
        harness.run_pod("support")
        harness.deploy("support")
        await harness.settle()
        assert told(harness.cluster) == [("Normal", "Accepted", 1), ("Normal", "Ready", 1)]
        [_, event] = [e for e in harness.cluster.events.values() if e["involvedObject"]["kind"] == "Chatbot"]
        uid = harness.cluster.get("Chatbot", "support")["metadata"]["uid"]
        assert event["involvedObject"] == {
            "apiVersion": "smarter.sh/v1alpha1", "kind": "Chatbot", "name": "support", "namespace": "acme", "uid": uid,
        }  # fmt: skip


@virtual_time
async def test_a_bot_that_was_ready_tells_that_its_pods_are_gone_and_that_they_are_back() -> None:
    async with Harness(acme(chatbot())) as harness:
        harness.run_pod("support")
        for ready in (1, 0, 1, 0):
            harness.deploy("support", ready=ready)
            await harness.settle(20)
        assert told(harness.cluster)[1:] == [("Normal", "Ready", 2), ("Warning", "Deploying", 2)]


@virtual_time
async def test_a_problem_is_told_once_though_accepted_and_ready_both_name_it() -> None:
    async with Harness(acme(chatbot(model={"providerRef": {"name": "nobody"}}))) as harness:
        await harness.settle(3600)
        assert told(harness.cluster) == [("Warning", "ProviderNotFound", 1)]


@virtual_time
async def test_a_refusal_is_told_once_and_not_at_every_retry() -> None:
    cluster = acme(chatbot())
    cluster.refuse = refuse_services
    async with Harness(cluster) as harness:
        await harness.settle(3600)
        assert told(cluster) == [("Warning", "ApplyRefused", 1), ("Normal", "Accepted", 1)]
        assert cluster.event_writes.count("support") == 2


@virtual_time
async def test_a_plugin_tells_what_is_wrong_with_it() -> None:
    broken: dict[str, Any] = {"selector": {"directive": "SearchTerms"}}
    async with Harness(acme(plugin(**broken))) as harness:
        await harness.settle()
        assert [kind for kind, _, _ in told(harness.cluster, "returns")] == ["Warning"]


@virtual_time
async def test_a_bot_that_flaps_writes_few_events_and_the_last_has_the_whole_count() -> None:
    async with Harness(acme(chatbot())) as harness:
        harness.run_pod("support")
        for number in range(50):
            harness.deploy("support", ready=number % 2)
            await harness.settle(10)
        assert harness.cluster.event_writes.count("support") <= PER_OBJECT
        await harness.settle(PER_OBJECT_SECONDS)
        harness.deploy("support", ready=0)
        await harness.settle(10)
        counts = {reason: count for _, reason, count in told(harness.cluster)}
        assert counts["Deploying"] == 25


@pytest.mark.parametrize(
    "error", [Unavailable("connection refused"), Rejected("namespace is being terminated")], ids=["away", "refused"]
)
@virtual_time
async def test_events_that_cannot_be_written_hold_up_nothing(error: ClusterError) -> None:
    cluster = acme(chatbot())
    cluster.refuse = lambda verb, manifest: error if verb == "event" else None
    async with Harness(cluster) as harness:
        await harness.settle(60)
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        assert ("Deployment", "acme", "support") in cluster.objects
        assert cluster.events == {}


@virtual_time
async def test_a_replica_that_stands_by_tells_nothing() -> None:
    elector = Elector(HeldLease(), "standby", lambda: datetime(2026, 11, 22, tzinfo=UTC))
    async with Harness(acme(chatbot()), elector=elector) as harness:
        await harness.settle(60)
        assert harness.cluster.events == {}


@virtual_time
async def test_while_work_is_waiting_events_are_written_more_rarely() -> None:
    busy, cluster = [True], FakeCluster()
    recorder = Recorder(cluster, lambda: datetime(2026, 11, 28, tzinfo=UTC), "one", lambda: busy[0])
    about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "acme", "uid": "1"}}
    for number in range(PER_OBJECT):
        recorder.record(about, News("Normal", "Ready", str(number)))
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(recorder.run())
        await asyncio.sleep(2.95)
        while_busy = len(cluster.event_writes)
        busy.clear()
        busy.append(False)
        await asyncio.sleep(2)
        writing.cancel()
    assert (while_busy, len(cluster.event_writes)) == (3, PER_OBJECT)
