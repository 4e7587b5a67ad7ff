import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from smarter_operator.cluster import Conflict, Unavailable
from smarter_operator.workqueue import WorkQueue, retry_delay
from support.virtual_time import virtual_time


@asynccontextmanager
async def working(process: Callable[[str], Awaitable[float | None]], workers: int = 4) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(process, workers)
    task = asyncio.create_task(queue.run())
    yield queue
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Recorder:
    """A process function that takes a second and remembers when each run began."""

    def __init__(self, *results: float | Exception | None, seconds: float = 1) -> None:
        self.runs: list[tuple[str, float]] = []
        self.running = 0
        self.most_running = 0
        self._results = list(results)
        self._seconds = seconds

    async def __call__(self, key: str) -> float | None:
        self.runs.append((key, asyncio.get_running_loop().time()))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self._seconds)
        self.running -= 1
        result = self._results.pop(0) if self._results else None
        if isinstance(result, Exception):
            raise result
        return result

    def times(self, key: str) -> list[float]:
        return [round(at, 3) for name, at in self.runs if name == key]


@virtual_time
async def test_ten_thousand_adds_of_one_key_make_two_runs() -> None:
    process = Recorder()
    async with working(process) as queue:
        queue.add("a")
        await asyncio.sleep(0.5)
        for _ in range(10_000):
            queue.add("a")
        await asyncio.sleep(10)
    assert process.times("a") == [0, 1]


@virtual_time
async def test_a_delay_that_is_but_an_error_of_rounding_does_not_spin() -> None:
    runs = 0

    async def process(_: str) -> float | None:
        nonlocal runs
        runs += 1
        return 1e-15 if asyncio.get_running_loop().time() < 15.001 and runs < 1000 else None

    await asyncio.sleep(15)
    async with working(process) as queue:
        queue.add("a")
        await asyncio.sleep(1)
    assert runs <= 3


@virtual_time
async def test_one_key_never_runs_twice_at_a_time_while_others_do() -> None:
    process = Recorder()
    async with working(process) as queue:
        for key in ("a", "a", "b", "c"):
            queue.add(key)
        await asyncio.sleep(0.1)
        queue.add("a")
        assert process.most_running == 3
        await asyncio.sleep(5)
    assert process.times("a") == [0, 1]


@virtual_time
async def test_no_more_keys_run_at_a_time_than_there_are_workers() -> None:
    process = Recorder()
    async with working(process, workers=2) as queue:
        for number in range(10):
            queue.add(str(number))
        await asyncio.sleep(20)
    assert process.most_running == 2
    assert len(process.runs) == 10


@virtual_time
async def test_a_result_is_the_delay_until_the_next_run() -> None:
    process = Recorder(30.0, None)
    async with working(process) as queue:
        queue.add("a")
        await asyncio.sleep(100)
    assert process.times("a") == [0, 31]


@virtual_time
async def test_an_earlier_run_replaces_the_planned_one() -> None:
    process = Recorder(30.0, None)
    async with working(process) as queue:
        queue.add("a")
        await asyncio.sleep(10)
        queue.add("a")
        await asyncio.sleep(100)
    assert process.times("a") == [0, 10]


@virtual_time
async def test_a_failing_key_waits_longer_each_time_and_starts_anew_after_a_success() -> None:
    boom = RuntimeError("boom")
    process = Recorder(boom, boom, boom, None, boom, None, seconds=0)
    async with working(process) as queue:
        queue.add("a")
        await asyncio.sleep(20)
        queue.add("a")
        await asyncio.sleep(5)
    first, second, third, fourth, fifth, sixth = process.times("a")
    assert 0.79 <= second - first <= 1.21
    assert 1.59 <= third - second <= 2.41
    assert 3.19 <= fourth - third <= 4.81
    assert fifth == 20
    assert 0.79 <= sixth - fifth <= 1.21


@virtual_time
async def test_a_poisoned_key_does_not_delay_others() -> None:
    process = Recorder(*[RuntimeError("poison")], seconds=0)
    async with working(process, workers=1) as queue:
        queue.add("poisoned")
        queue.add("healthy")
        await asyncio.sleep(0.1)
    assert process.times("healthy") == [0]


@virtual_time
async def test_an_edit_overtakes_a_thousand_rechecks_and_rechecks_are_not_starved() -> None:
    process = Recorder(seconds=0.01)
    async with working(process, workers=1) as queue:
        for number in range(1000):
            queue.add(f"recheck-{number}", urgent=False)
        await asyncio.sleep(0.1)
        for number in range(30):
            queue.add(f"edit-{number}")
        await asyncio.sleep(0.35)
    order = [key for key, _ in process.runs]
    assert order.index("edit-0") < 20
    between = order[order.index("edit-0") : order.index("edit-20")]
    assert sum(key.startswith("recheck") for key in between) >= 4


@virtual_time
async def test_the_oldest_key_tells_how_long_work_has_been_waiting() -> None:
    process = Recorder(seconds=100)
    async with working(process, workers=1) as queue:
        queue.add("busy")
        await asyncio.sleep(1)
        queue.add("waiting")
        await asyncio.sleep(7)
        assert queue.depth == 1
        assert queue.oldest_seconds() == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize(
    ("failures", "error", "least", "most"),
    [
        pytest.param(1, RuntimeError(), 0.8, 1.2, id="first"),
        pytest.param(30, RuntimeError(), 240, 360, id="capped"),
        pytest.param(1, Conflict("replaced"), 0.1, 0.1, id="conflict-is-tried-at-once"),
        pytest.param(2, Unavailable("busy", retry_after_seconds=60), 60, 60, id="the-server-asks-for-patience"),
    ],
)
def test_how_long_a_retry_waits(failures: int, error: Exception, least: float, most: float) -> None:
    assert least <= retry_delay(failures, error) <= most
