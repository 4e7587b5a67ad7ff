"""Liveness fails where a restart helps, and only there."""

import asyncio
from collections.abc import Callable

import pytest

from smarter_operator.cluster import ClusterError, Manifest, Unavailable
from smarter_operator.health import LOOP_SECONDS, NEGLECTED_SECONDS, STALLED_SECONDS, WEDGED_SECONDS, Vitals, ailments
from smarter_operator.kinds import Kind
from smarter_operator.names import FIELD_MANAGER
from smarter_operator.pulse import BEAT_SECONDS, Pulse
from smarter_operator.streams import ABANDONED_SECONDS, Streams
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import SETTINGS, Harness
from support.virtual_time import virtual_time

BOOKMARKS_SECONDS = 60


class HangingCluster(FakeCluster):
    """A cluster in which calls for some Chatbots never end, as no real one can be thanks to the limit of every call."""

    def __init__(self, hangs: Callable[[str], bool]) -> None:
        super().__init__()
        self._hangs = hangs

    async def apply(self, kind: Kind, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        if self._hangs(manifest["metadata"]["name"]):
            await asyncio.Event().wait()
        return await super().apply(kind, manifest, manager)


def sick(harness: Harness) -> list[str]:
    return list(ailments(harness.engine.vitals()))


async def bookmarks(streams: Streams, *kinds: str, seconds: float) -> None:
    """Let the API server answer and send bookmarks for so long."""
    for _ in range(int(seconds / BOOKMARKS_SECONDS)):
        await asyncio.sleep(BOOKMARKS_SECONDS)
        streams.answered()
        for kind in kinds:
            streams.heard((kind, ""))


@virtual_time
async def test_it_is_well_while_nothing_happens_but_bookmarks() -> None:
    async with Harness(FakeCluster()) as harness:
        streams = harness.engine.streams
        with streams.asking(("Chatbot", "")):
            await bookmarks(streams, "Chatbot", seconds=7200)
        assert sick(harness) == []


@virtual_time
async def test_a_watch_that_brings_nothing_while_the_server_answers_others_is_noticed() -> None:
    async with Harness(FakeCluster()) as harness:
        streams = harness.engine.streams
        with streams.asking(("Chatbot", "")), streams.asking(("Plugin", "")):
            await bookmarks(streams, "Chatbot", "Plugin", seconds=600)
            await bookmarks(streams, "Chatbot", seconds=NEGLECTED_SECONDS)
            assert sick(harness) == []
            await bookmarks(streams, "Chatbot", seconds=60)
            [sentence] = sick(harness)
            assert sentence.startswith("The watch of Plugin has brought nothing for ")


@virtual_time
async def test_a_watcher_that_died_is_noticed() -> None:
    async with Harness(FakeCluster()) as harness:
        streams = harness.engine.streams
        with streams.asking(("Pod", "")):
            streams.answered()
        with streams.asking(("Chatbot", "")):
            await bookmarks(streams, "Chatbot", seconds=NEGLECTED_SECONDS + 60)
        assert [sentence.split()[3] for sentence in sick(harness)] == ["Pod"]


@virtual_time
async def test_the_watch_of_an_api_that_is_gone_is_missed_by_nobody() -> None:
    async with Harness(FakeCluster()) as harness:
        streams = harness.engine.streams
        with streams.asking(("PodMonitor", "")):
            streams.answered()
        await asyncio.sleep(ABANDONED_SECONDS + 1)
        assert streams.staleness() == {}


@virtual_time
async def test_a_server_that_is_away_for_an_hour_is_no_reason_to_restart_neither_then_nor_when_it_is_back() -> None:
    async with Harness(FakeCluster()) as harness:
        streams = harness.engine.streams
        with streams.asking(("Chatbot", "")):
            await bookmarks(streams, "Chatbot", seconds=600)
            streams.unanswered()
            for _ in range(60):
                await asyncio.sleep(60)
                streams.unanswered()
                assert sick(harness) == []
            assert streams.staleness()["Chatbot"] == pytest.approx(3600, abs=60)
            streams.answered()
            assert sick(harness) == []
            await bookmarks(streams, "Chatbot", seconds=600)
            assert sick(harness) == []


@virtual_time
async def test_one_wedged_worker_is_noticed_though_the_others_go_on() -> None:
    cluster = HangingCluster(lambda name: name.startswith("wedged"))
    cluster.create(provider())
    async with Harness(cluster) as harness:
        cluster.create(chatbot("wedged"))
        for number in range(int(WEDGED_SECONDS / 10)):
            cluster.create(chatbot(f"bot-{number}"))
            await asyncio.sleep(9)
            assert sick(harness) == []
        await asyncio.sleep(WEDGED_SECONDS / 10 + 5)
        assert [sentence.split(" has")[0] for sentence in sick(harness)] == ["One run"]


@virtual_time
async def test_workers_that_are_all_wedged_are_noticed_by_the_queue_that_stands_still() -> None:
    cluster = HangingCluster(lambda name: True)
    cluster.create(provider())
    async with Harness(cluster) as harness:
        for number in range(SETTINGS.workers + 1):
            cluster.create(chatbot(f"bot-{number}"))
        await asyncio.sleep(STALLED_SECONDS - 10)
        assert sick(harness) == []
        await asyncio.sleep(20)
        assert any(sentence.startswith("Resources are waiting and none was done") for sentence in sick(harness))


@virtual_time
async def test_a_queue_that_only_fails_is_alive() -> None:
    cluster = FakeCluster()
    down: list[ClusterError] = [Unavailable("connection refused")]
    cluster.refuse = lambda verb, manifest: down[0] if down else None
    cluster.create(provider())
    async with Harness(cluster) as harness:
        for number in range(100):
            cluster.create(chatbot(f"bot-{number}"))
        for _ in range(60):
            await asyncio.sleep(60)
            assert sick(harness) == []


@virtual_time
async def test_after_an_outage_what_had_failed_is_tried_at_once_and_not_after_minutes() -> None:
    cluster = FakeCluster()
    down: list[ClusterError] = [Unavailable("connection refused")]
    cluster.refuse = lambda verb, manifest: down[0] if down else None
    cluster.create(provider())
    async with Harness(cluster) as harness:
        cluster.create(chatbot())
        for _ in range(60):
            harness.engine.streams.unanswered()
            await asyncio.sleep(10)
        down.clear()
        harness.engine.streams.answered()
        await asyncio.sleep(12)
        assert ("Deployment", "acme", "support") in cluster.objects


@virtual_time
async def test_a_loop_that_comes_round_no_more_is_noticed() -> None:
    pulse = Pulse()
    beating = asyncio.create_task(pulse.run())
    await asyncio.sleep(3600)
    assert pulse.age_seconds() <= BEAT_SECONDS
    beating.cancel()
    await asyncio.sleep(LOOP_SECONDS + 1)
    [sentence] = ailments(Vitals(stalled=0, longest_run=0, loop=pulse.age_seconds(), neglect={}))
    assert sentence.startswith("The event loop came round 3")
