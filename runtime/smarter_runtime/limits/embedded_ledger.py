"""The ledger of a bot without a Store: counts in memory, and notes in the embedded store what must outlive the process.

That is what counters have reached: tokens of the day, and money. Requests of the last minute and answers under way are
forgotten with the process, which also ends them.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Sequence

from smarter_runtime.embedded import Embedded, Work
from smarter_runtime.limits.ledger import Account, Charge
from smarter_runtime.limits.memory_ledger import MemoryLedger

logger = logging.getLogger(__name__)

SCHEMA = """
create table counters (key text primary key, amount integer not null, until_ms integer not null) strict, without rowid
"""

NOTE_SECONDS = 0.05
"""How long what was used may wait for company; the record of its answer, which comes soon, takes it along."""
WAIT_SECONDS = 1.0
"""How long a round waits until what it has reserved is noted."""


class EmbeddedLedger(MemoryLedger):
    """The embedded store does things in their order: whoever sees a later one done need not ask for what is noted."""

    def __init__(self, embedded: Embedded) -> None:
        super().__init__()
        self._embedded = embedded
        self._noting: set[asyncio.Future[object]] = set()
        self._is_recalled = False

    async def recall(self, now_ms: int) -> None:
        """Go on where an earlier process has ended; only the first call does it."""
        if self._is_recalled:
            return
        self._is_recalled = True
        try:
            super().add(await self._embedded.run(lambda db: _read(db, now_ms)))
        except sqlite3.Error as error:
            logger.error("the counters of before cannot be read", extra={"text": str(error)})

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        full = await super().reserve(accounts, amount)
        if full is None and self._noting:
            # Money is spent from now on: a process that is killed must not forget it.
            self._embedded.hasten()
            await asyncio.wait(set(self._noting), timeout=WAIT_SECONDS)
        return full

    def add(self, charges: Iterable[Charge]) -> None:
        due = list(charges)
        super().add(due)
        rows = [(each.key, each.amount, each.until_ms) for each in self.counters({each.key for each in due})]
        self._note(lambda db: db.executemany("insert or replace into counters values (?, ?, ?)", rows).rowcount)

    def _forget(self, now_ms: int) -> None:
        before = len(self._counters)
        super()._forget(now_ms)
        if len(self._counters) < before:
            self._note(lambda db: _tidied(db, now_ms))

    def _note(self, work: Work[object]) -> None:
        try:
            noting = self._embedded.submit(work, patience=NOTE_SECONDS)
        except sqlite3.Error as error:
            logger.error("counters cannot be written", extra={"text": str(error)})
            return
        self._noting.add(noting)
        noting.add_done_callback(self._noted)

    def _noted(self, noting: asyncio.Future[object]) -> None:
        self._noting.discard(noting)
        if not noting.cancelled() and (error := noting.exception()):
            # They count in memory all the same, and the next note of a counter holds all that it has reached.
            logger.error("counters cannot be written", extra={"text": str(error)})


def _read(db: sqlite3.Connection, now_ms: int) -> list[Charge]:
    _tidied(db, now_ms)
    return [Charge(*row) for row in db.execute("select key, amount, until_ms from counters")]


def _tidied(db: sqlite3.Connection, now_ms: int) -> int:
    """Delete counters whose period is over for long."""
    return db.execute("delete from counters where until_ms <= ?", (now_ms,)).rowcount
