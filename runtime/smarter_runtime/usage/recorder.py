"""Notes answers as they begin and end, beside the requests: what cannot be written waits, and no answer fails of it."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from smarter_crds.usage import UsageRecord
from smarter_runtime.metrics import Metrics
from smarter_runtime.usage import Entry, entry
from smarter_runtime.usage.forwarder import Forwarder
from smarter_runtime.usage.sqlite import SqliteUsage

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long the beginning of an answer may wait for company: a short answer is written once."""
AGAIN_SECONDS = 1.0
WAIT_SECONDS = 1.0
"""How long the end of an answer may wait until it is noted."""
CLOSE_SECONDS = 10.0
"""How long the end of the process may wait until everything is noted."""
MOST_WAITING = 10_000
"""Records held in memory while nothing can be written; the oldest are lost beyond it."""


class Recorder:
    """Writes to the embedded store, which survives the process, and from there to the bot's Store if it has one."""

    def __init__(self, usage: SqliteUsage, metrics: Metrics, forwarder: Forwarder | None = None) -> None:
        self._usage = usage
        self._metrics = metrics
        self._forwarder = forwarder
        self._begun: dict[str, Callable[[], Entry]] = {}
        """What may still end before it has to be written."""
        self._waiting: dict[str, Callable[[], Entry]] = {}
        self._writing: set[asyncio.Future[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, id_: str, record: Callable[[], UsageRecord], until_ms: int) -> None:
        """Note what holds if the answer never ends; `record` is called unless it has ended by the time of writing."""
        self._begun[id_] = lambda: entry(record(), until_ms)
        self._flush_after(GATHER_SECONDS)

    async def end(self, record: UsageRecord) -> None:
        """Note what an answer has used; it has arrived when this returns, unless a store is slow, broken or away."""
        self._begun.pop(record.id, None)
        written = entry(record)
        self._waiting[record.id] = lambda: written
        # It goes on by itself when it takes longer.
        await asyncio.wait([self._arrival(self._flush())], timeout=WAIT_SECONDS)

    async def close(self) -> None:
        """Write what waits, and see the end of what is being written."""
        if self._waiting or self._begun:
            self._flush_all()
        if self._writing:
            await asyncio.wait(self._writing, timeout=CLOSE_SECONDS)
        if self._forwarder is not None and self._forwarder.is_needed:
            await asyncio.wait([self._forwarder.send()], timeout=CLOSE_SECONDS)
        if self._timer is not None:
            self._timer.cancel()

    def _flush_after(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._flush_alone)

    def _flush_alone(self) -> None:
        self._timer = None
        if self._waiting or self._begun:
            self._arrival(self._flush_all())

    def _flush_all(self) -> asyncio.Future[None]:
        self._waiting |= self._begun
        self._begun = {}
        return self._flush()

    def _arrival(self, written: asyncio.Future[None]) -> asyncio.Future[None]:
        """Return what is over when that which is written is where it shall be."""
        if self._forwarder is None or not self._forwarder.is_needed:
            return written
        arrival = asyncio.create_task(self._forwarded(self._forwarder, written))
        self._writing.add(arrival)
        arrival.add_done_callback(self._writing.discard)
        return arrival

    async def _forwarded(self, forwarder: Forwarder, written: asyncio.Future[None]) -> None:
        await asyncio.wait([written])
        await asyncio.shield(forwarder.send())

    def _flush(self) -> asyncio.Future[None]:
        batch, self._waiting = self._waiting, {}
        try:
            future = self._usage.submit([each() for each in batch.values()])
        except sqlite3.Error as error:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
        self._writing.add(future)
        future.add_done_callback(lambda done: self._flushed(batch, done))
        return future

    def _flushed(self, batch: dict[str, Callable[[], Entry]], done: asyncio.Future[None]) -> None:
        self._writing.discard(done)
        error = None if done.cancelled() else done.exception()
        if error is not None:
            logger.error("usage records cannot be written", extra={"records": len(batch), "text": str(error)})
            # What was noted meanwhile is newer.
            self._waiting = batch | self._waiting
            self._drop_oldest()
            self._flush_after(AGAIN_SECONDS)
        self._metrics.usage_waiting.set(len(self._waiting))

    def _drop_oldest(self) -> None:
        surplus = len(self._waiting) - MOST_WAITING
        if surplus > 0:
            for id_ in list(self._waiting)[:surplus]:
                del self._waiting[id_]
            self._metrics.usage_lost.inc(surplus)
            logger.error("usage records are lost: they could not be written for too long", extra={"records": surplus})
