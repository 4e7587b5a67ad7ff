"""Bots with megabytes of Plugins: they take no more memory than a few of them, and none of the event loop's time."""

import asyncio
import threading
from collections.abc import Callable

from smarter_operator.aside import PLACES, Aside
from smarter_operator.cluster import Manifest
from smarter_operator.compiling import FEW_REFERENCES
from smarter_operator.kinds import Kind
from support.api import eventually
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, plugin, provider
from support.operator_harness import Harness

BOTS = tuple(f"bot-{number}" for number in range(6))
PLUGINS = tuple(f"plugin-{number}" for number in range(FEW_REFERENCES + 1))


class SlowCluster(FakeCluster):
    """Remembers of how many Chatbots children were being written at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._writing: list[str] = []

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        bot = manifest["metadata"]["labels"]["smarter.sh/chatbot"]
        self._writing.append(bot)
        self.most = max(self.most, len(set(self._writing)))
        await asyncio.sleep(0.01)
        self._writing.remove(bot)
        return await super().apply_new(kind, manifest)


def cluster_with(*plugins: str) -> SlowCluster:
    cluster = SlowCluster()
    cluster.create(provider())
    for name in plugins:
        cluster.create(plugin(name))
    for bot in BOTS:
        cluster.create(chatbot(bot, plugins=[{"name": name} for name in plugins]))
    return cluster


async def made(cluster: FakeCluster) -> None:
    async def done() -> bool:
        return all(("Deployment", "acme", bot) in cluster.objects for bot in BOTS)

    await eventually(done, every_seconds=0.01)


async def test_only_a_few_large_bots_are_held_at_the_same_time() -> None:
    large = cluster_with(*PLUGINS)
    harness = Harness(large)
    running = asyncio.create_task(harness.engine.run())
    await made(large)
    running.cancel()
    assert large.most == PLACES


async def test_small_bots_do_not_wait_for_each_other() -> None:
    small = cluster_with(*PLUGINS[:-2])
    harness = Harness(small)
    running = asyncio.create_task(harness.engine.run())
    await made(small)
    running.cancel()
    assert small.most == len(BOTS)


async def test_what_takes_long_is_done_by_another_thread_one_thing_after_the_other() -> None:
    aside, order = Aside(), list[str]()
    first_may_end = threading.Event()

    def work(name: str) -> Callable[[], int]:
        def do() -> int:
            assert name == "second" or first_may_end.wait(10)
            order.append(name)
            return threading.get_ident()

        return do

    both = [asyncio.create_task(aside.run(work(name))) for name in ("first", "second")]
    await asyncio.sleep(0)
    first_may_end.set()
    [one, other] = await asyncio.gather(*both)
    assert order == ["first", "second"]
    assert one == other != threading.get_ident()
