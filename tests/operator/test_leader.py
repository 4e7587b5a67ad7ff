import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from smarter_operator.cluster import Conflict, Manifest, Unavailable
from smarter_operator.guard import GuardedCluster
from smarter_operator.kinds import SERVICE
from smarter_operator.leader import Elector
from smarter_operator.own_writes import OwnWrites
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time


class FakeLease:
    """One Lease in memory; `away` makes every call fail, `hang` makes it never answer."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.away = False
        self.hang = False
        self._versions = itertools.count(1)

    async def read(self) -> Manifest | None:
        await self._reach()
        return self.lease

    async def create(self, spec: dict[str, Any]) -> Manifest:
        await self._reach()
        if self.lease is not None:
            raise Conflict("exists")
        return self._store(spec)

    async def replace(self, lease: Manifest, spec: dict[str, Any]) -> Manifest:
        await self._reach()
        if self.lease is None or self.lease["metadata"] != lease["metadata"]:
            raise Conflict("changed meanwhile")
        return self._store(spec)

    def _store(self, spec: dict[str, Any]) -> Manifest:
        self.lease = {"metadata": {"resourceVersion": str(next(self._versions))}, "spec": spec}
        return self.lease

    async def _reach(self) -> None:
        await asyncio.sleep(0.01)
        if self.hang:
            await asyncio.Event().wait()
        if self.away:
            raise Unavailable("no answer")


def elector(lease: FakeLease, name: str) -> Elector:
    loop = asyncio.get_running_loop()
    return Elector(lease, name, lambda: datetime(2026, 11, 22, tzinfo=UTC), loop.time)


@asynccontextmanager
async def running(one: Elector) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(one.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def seconds_until(one: Elector, *, leading: bool) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(120):
        await one.wait(leading=leading)
    return loop.time() - began


@virtual_time
async def test_of_two_that_start_together_one_leads_and_stays() -> None:
    lease = FakeLease()
    first, second = elector(lease, "first"), elector(lease, "second")
    async with running(first), running(second):
        for _ in range(100):
            await asyncio.sleep(1)
            assert [first.is_leader, second.is_leader] == [True, False]


@virtual_time
async def test_a_leader_that_stops_cleanly_hands_over_within_five_seconds() -> None:
    lease = FakeLease()
    first, second = elector(lease, "first"), elector(lease, "second")
    async with running(first):
        await asyncio.sleep(5)
    async with running(second):
        await asyncio.sleep(1)
        assert not second.is_leader
        await first.release()
        assert not first.is_leader
        assert await seconds_until(second, leading=True) <= 5


@virtual_time
async def test_a_leader_that_crashes_is_replaced_within_twenty_seconds_but_not_while_it_may_still_write() -> None:
    lease = FakeLease()
    first, second = elector(lease, "first"), elector(lease, "second")
    async with running(second):
        async with running(first):
            await asyncio.sleep(30)
        crashed = asyncio.get_running_loop().time()
        while not second.is_leader:
            assert asyncio.get_running_loop().time() < crashed + 20
            await asyncio.sleep(0.1)
        assert not first.is_leader


@pytest.mark.parametrize("fault", ["away", "hang"])
@virtual_time
async def test_a_leader_that_cannot_reach_the_api_stops_before_another_may_begin(fault: str) -> None:
    lease = FakeLease()
    first = elector(lease, "first")
    async with running(first):
        await asyncio.sleep(3)
        setattr(lease, fault, True)
        await asyncio.sleep(10)
        assert not first.is_leader
        setattr(lease, fault, False)
        assert await seconds_until(first, leading=True) <= 10


@virtual_time
async def test_who_does_not_lead_starts_no_write() -> None:
    cluster = FakeCluster()
    leads = True
    guarded = GuardedCluster(cluster, lambda: leads, OwnWrites(lambda change: None))
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "support", "namespace": "acme"}}
    made = await guarded.apply(SERVICE, service)
    leads = False
    calls = [
        guarded.apply(SERVICE, service),
        guarded.apply_status(SERVICE, {**service, "status": {}}),
        guarded.delete(SERVICE, "acme", "support", made["metadata"]["uid"]),
        guarded.annotate_pod("acme", "support-0", {}),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="does not lead"):
            await call
    assert cluster.writes == [("apply", "Service", "support")]
    assert len(await guarded.list_objects(SERVICE)) == 0


@virtual_time
async def test_the_standby_keeps_its_cache_warm_writes_nothing_and_takes_over() -> None:
    lease, cluster = FakeLease(), FakeCluster()
    cluster.create(provider())
    leader = elector(lease, "leader")
    async with AsyncExitStack() as process:
        await process.enter_async_context(running(leader))
        await asyncio.sleep(1)
        async with Harness(cluster, elector=elector(lease, "standby")) as harness:
            cluster.create(chatbot())
            await harness.settle(60)
            assert cluster.writes == []
            assert harness.engine.oldest_seconds() == 0
            await process.aclose()
            await leader.release()
            await harness.settle(10)
            assert ("apply", "Deployment", "support") in cluster.writes
