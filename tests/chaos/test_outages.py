"""The API server is gone, or silent, or has forgotten where a watch was; each for as long as it takes."""

import asyncio

import aiohttp
import psutil
import pytest

from smarter_cluster.cluster import Cluster
from support.api import Api, ApiError, eventually, until_empty
from support.fault_proxy import reset
from support.fault_scene import Scene

NOTICED_SECONDS = 80
CAUGHT_UP_SECONDS = 60


async def test_while_the_api_server_is_gone_the_operator_waits_and_then_catches_up(scene: Scene) -> None:
    pid = scene.operator.pid
    await scene.proxy.go_away()
    await scene.change()
    await asyncio.sleep(10)
    assert await scene.is_alive(), "a restart would not bring the API server back"
    assert await scene.staleness("Plugin") >= 10
    await scene.proxy.come_back()
    back = asyncio.get_running_loop().time()
    await until_empty(scene.behind, CAUGHT_UP_SECONDS)
    print(f"\ncaught up after {asyncio.get_running_loop().time() - back:.1f} s")
    assert (scene.operator.pid, scene.operator.returncode) == (pid, None)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_minutes_without_api_server_cost_one_request_a_second_per_watch_and_a_minute_to_catch_up(
    scene: Scene,
) -> None:
    loop, pid = asyncio.get_running_loop(), scene.operator.pid
    started = loop.time()
    scene.proxy.hurt(reset())
    scene.proxy.cut()
    await scene.change()
    for _ in range(60):
        await asyncio.sleep(10)
        assert await scene.is_alive(), "a restart would not bring the API server back"
    requests, elapsed = scene.requests_per_stream(started), loop.time() - started
    assert await scene.staleness("Plugin") >= 600
    scene.proxy.heal()
    healed = loop.time()

    await until_empty(scene.behind, CAUGHT_UP_SECONDS)
    per_second = max(requests.values()) / elapsed
    print(f"\ncaught up after {loop.time() - healed:.1f} s; {per_second:.2f} requests a second for the busiest watch")

    assert max(requests.values()) <= elapsed
    assert await scene.is_alive()
    assert (scene.operator.pid, scene.operator.returncode) == (pid, None)


@pytest.mark.long
async def test_watches_that_fall_silent_are_noticed_while_their_staleness_rises(scene: Scene) -> None:
    """Connections stay open and bring nothing, as behind a load balancer that lost its state; new ones work."""
    loop = asyncio.get_running_loop()

    async def all_heard() -> bool:
        return await scene.staleness("Plugin") < NOTICED_SECONDS

    # After an outage lists catch up before the last watch is open again.
    await eventually(all_heard, NOTICED_SECONDS)
    scene.proxy.swallow()
    silent_at = loop.time()
    await scene.change()
    seen = []
    while await scene.behind():
        assert loop.time() < silent_at + NOTICED_SECONDS + 10, await scene.behind()
        seen.append(await scene.staleness("Plugin"))
        await asyncio.sleep(1)

    print(f"\nnoticed and made good after {loop.time() - silent_at:.1f} s")
    assert loop.time() <= silent_at + NOTICED_SECONDS
    assert seen[:30] == sorted(seen[:30])
    assert max(seen) > 30


async def test_what_was_deleted_before_a_compaction_is_missed_although_no_watch_can_tell(
    cluster: Cluster, api: Api, scene: Scene
) -> None:
    pid, expired = scene.operator.pid, scene.proxy.expired
    await scene.proxy.go_away()
    await scene.change()
    await api.delete("Plugin", scene.namespace, "returns")
    await compact(cluster)
    # Without this the API server would still remember the events, compacted or not.
    await restart_api_server(cluster, api)
    await scene.proxy.come_back()
    back = asyncio.get_running_loop().time()

    async def noticed() -> bool:
        plugins = await api.condition(scene.namespace, "support", "PluginsResolved")
        return plugins[:2] == ("False", "PluginNotFound") and bool(await api.get("Service", scene.namespace, "support"))

    try:
        await eventually(noticed, CAUGHT_UP_SECONDS)
        print(f"\nmissed after {asyncio.get_running_loop().time() - back:.1f} s")
        assert scene.proxy.expired > expired, "the API server still knew the events"
        assert (scene.operator.pid, scene.operator.returncode) == (pid, None)
    finally:
        await scene.restore()


async def compact(cluster: Cluster) -> None:
    """Let etcd forget all but the present."""
    url = option(cluster, "etcd", "--listen-client-urls")
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/v3/maintenance/status", json={}) as response:
            revision = (await response.json())["header"]["revision"]
        async with session.post("/v3/kv/compaction", json={"revision": revision, "physical": True}) as response:
            assert response.status == 200, await response.text()


async def restart_api_server(cluster: Cluster, api: Api) -> None:
    server = psutil.Process(pid_of(cluster, "kube-apiserver"))
    server.kill()
    await asyncio.to_thread(server.wait, 10)
    await asyncio.to_thread(cluster.up)

    async def answers() -> bool:
        try:
            return await api.text("/readyz") == "ok"
        except (ApiError, aiohttp.ClientError):
            return False

    await eventually(answers, 30)


def pid_of(cluster: Cluster, name: str) -> int:
    [pid] = [component.pid for component in cluster.status() if component.name == name]
    assert pid is not None
    return pid


def option(cluster: Cluster, name: str, flag: str) -> str:
    """Return the value of a program's option."""
    words = psutil.Process(pid_of(cluster, name)).cmdline()
    return next(word.removeprefix(f"{flag}=") for word in words if word.startswith(f"{flag}="))
