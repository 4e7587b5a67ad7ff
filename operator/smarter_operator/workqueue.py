"""A queue of keys: one run per key at a time, repeats merged, failures retried with growing delays."""

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from smarter_operator.cluster import Conflict, Unavailable

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0
_TIMER_TOLERANCE_SECONDS = 0.001

_SHORTEST_DELAY_SECONDS = 2 * _TIMER_TOLERANCE_SECONDS
"""The clock must move before a key is due again; what rounding leaves of a delay would not move it."""


class WorkQueue(Generic[Key]):
    """Runs `process(key)` for every key added; its result is the seconds until the next run, or None."""

    def __init__(self, process: Callable[[Key], Awaitable[float | None]], workers: int) -> None:
        self._process = process
        self._workers = workers
        self._urgent: OrderedDict[Key, float] = OrderedDict()
        self._patient: OrderedDict[Key, float] = OrderedDict()
        self._running: dict[Key, float] = {}
        self._finished_at = float("-inf")
        self._again: dict[Key, bool] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._ticket = itertools.count()
        self._turn = itertools.count()
        self._ready = asyncio.Semaphore(0)
        self._sooner = asyncio.Event()

    def add(self, key: Key, *, after_seconds: float = 0, urgent: bool = True) -> None:
        """Ask for a run; one more if the key runs now. An earlier run replaces a later one that was planned."""
        if after_seconds > 0:
            self._schedule(key, after_seconds)
        elif key in self._running:
            self._again[key] = self._again.get(key, False) or urgent
        else:
            self._enqueue(key, urgent)

    @property
    def depth(self) -> int:
        return len(self._urgent) + len(self._patient)

    def oldest_seconds(self) -> float:
        """Return how long the oldest key has been waiting for a worker."""
        since = [next(iter(lane.values())) for lane in (self._urgent, self._patient) if lane]
        return asyncio.get_running_loop().time() - min(since) if since else 0.0

    def stalled_seconds(self) -> float:
        """Return for how long keys have been waiting without any run coming to its end."""
        return min(self.oldest_seconds(), asyncio.get_running_loop().time() - self._finished_at)

    def longest_run_seconds(self) -> float:
        """Return how long the oldest of the present runs has taken so far."""
        return asyncio.get_running_loop().time() - min(self._running.values()) if self._running else 0.0

    def retry_soon(self, within_seconds: float) -> None:
        """Try again what has failed, spread over this time: the cause was a common one, and it is over."""
        for key in self._failures.keys() - self._running.keys():
            self._schedule(key, random.uniform(0, within_seconds))

    async def run(self) -> None:
        """Work until cancelled."""
        self._finished_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake_sleepers())
            for _ in range(self._workers):
                group.create_task(self._work())

    def _schedule(self, key: Key, after_seconds: float) -> None:
        due = asyncio.get_running_loop().time() + max(after_seconds, _SHORTEST_DELAY_SECONDS)
        if self._due.get(key, float("inf")) > due:
            self._due[key] = due
            heapq.heappush(self._later, (due, next(self._ticket), key))
            self._sooner.set()

    def _enqueue(self, key: Key, urgent: bool) -> None:
        self._due.pop(key, None)
        if key in self._urgent:
            return
        since = self._patient.pop(key, None)
        if since is None:
            self._ready.release()
            since = asyncio.get_running_loop().time()
        lane = self._urgent if urgent else self._patient
        lane[key] = since

    async def _wake_sleepers(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake_due(loop.time())
            self._sooner.clear()
            wait = self._later[0][0] - loop.time() if self._later else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._sooner.wait()

    def _wake_due(self, now: float) -> None:
        # A timer may fire a hair early; without the tolerance it would be set again for the rest of a microsecond.
        while self._later and self._later[0][0] <= now + _TIMER_TOLERANCE_SECONDS:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, urgent=False)

    async def _work(self) -> None:
        while True:
            key = await self._next()
            self._running[key] = asyncio.get_running_loop().time()
            try:
                await self._run_once(key)
            finally:
                del self._running[key]
                self._finished_at = asyncio.get_running_loop().time()
                if key in self._again:
                    self.add(key, urgent=self._again.pop(key))

    async def _next(self) -> Key:
        await self._ready.acquire()
        # Re-checks get every fourth turn, so that a flood of edits cannot starve them.
        patient_first = bool(self._patient) and (next(self._turn) % 4 == 3 or not self._urgent)
        key, _ = (self._patient if patient_first else self._urgent).popitem(last=False)
        return key

    async def _run_once(self, key: Key) -> None:
        try:
            again_after = await self._process(key)
        except Exception as error:  # noqa: BLE001 - the border: whatever fails is logged and tried again
            self._retry(key, error)
            return
        self._failures.pop(key, None)
        if again_after is not None:
            self._schedule(key, again_after)

    def _retry(self, key: Key, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = retry_delay(failures, error)
        expected = isinstance(error, Conflict | Unavailable)
        logger.warning(
            "run failed",
            extra={"key": str(key), "error": str(error), "retry_seconds": round(delay, 1)},
            exc_info=None if expected else error,
        )
        self._schedule(key, delay)


def retry_delay(failures: int, error: Exception) -> float:
    """Return how long to wait: doubling from 1 to 300 s, ± 20 %, never less than the server asked for."""
    if isinstance(error, Conflict) and failures == 1:
        return 0.1
    delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LAST_RETRY_SECONDS)
    return max(delay * random.uniform(0.8, 1.2), patience(error))


def patience(error: Exception) -> float:
    """Return for how many seconds the API server asked to be left alone, within reason."""
    return min(error.retry_after_seconds, LAST_RETRY_SECONDS) if isinstance(error, Unavailable) else 0.0
