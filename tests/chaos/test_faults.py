"""What networks, load balancers and a busy API server do to the operator: it lives, keeps its pace, and catches up."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.api import until_empty
from support.fault_proxy import FaultProxy, answer, half, reset, slow
from support.fault_scene import Scene

Harm = Callable[[FaultProxy], Awaitable[None]]


async def cut(proxy: FaultProxy) -> None:
    proxy.cut()


async def resets(proxy: FaultProxy) -> None:
    proxy.hurt(reset())
    proxy.cut()


async def halves(proxy: FaultProxy) -> None:
    proxy.hurt(half())
    proxy.cut()


async def freezes(proxy: FaultProxy) -> None:
    proxy.freeze()


async def delays(proxy: FaultProxy) -> None:
    proxy.hurt(slow(1))
    proxy.cut()


def answers(code: int, retry_after_seconds: int | None = None, text: str = "") -> Harm:
    async def harm(proxy: FaultProxy) -> None:
        proxy.hurt(answer(code, retry_after_seconds, text))
        proxy.cut()

    return harm


def injects(line: bytes) -> Harm:
    async def harm(proxy: FaultProxy) -> None:
        for _ in range(3):
            await proxy.inject(line)
            await asyncio.sleep(0.5)

    return harm


def error_event(code: int) -> bytes:
    return b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":%d,"message":"injected"}}\n' % code


@pytest.mark.parametrize(
    ("harm", "seconds"),
    [
        pytest.param(cut, 0, id="streams-are-cut"),
        pytest.param(resets, 3, id="connections-are-reset"),
        pytest.param(halves, 3, id="answers-are-cut-in-half"),
        pytest.param(freezes, 3, id="bytes-vanish-for-a-while"),
        pytest.param(delays, 3, id="everything-is-slow"),
        pytest.param(answers(503), 3, id="503"),
        pytest.param(answers(429, retry_after_seconds=2), 3, id="429-with-retry-after"),
        pytest.param(answers(401), 3, id="401"),
        pytest.param(answers(200, text="<html>log in</html>"), 3, id="pages-instead-of-json"),
        pytest.param(injects(error_event(500)), 0, id="error-events"),
        pytest.param(injects(error_event(410)), 0, id="expired-events"),
        pytest.param(injects(b'\x00\xff{"type":\n'), 0, id="garbage-in-watches"),
    ],
)
async def test_a_fault_ends_and_what_happened_meanwhile_is_made_good(scene: Scene, harm: Harm, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    started, pid = loop.time(), scene.operator.pid
    await harm(scene.proxy)
    await scene.change()
    await asyncio.sleep(seconds)
    busiest = scene.requests_per_stream(started).most_common(1)
    elapsed = loop.time() - started
    scene.proxy.heal()
    await until_empty(scene.behind, 30)
    assert not busiest or busiest[0][1] <= elapsed + 3, busiest
    assert await scene.is_alive()
    assert (scene.operator.pid, scene.operator.returncode) == (pid, None)
