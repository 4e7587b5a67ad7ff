"""Usage records in the embedded store: their home, or the place where they wait for the way to a bigger store."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import TypeVar

from smarter_runtime.embedded import Embedded, Work
from smarter_runtime.usage import Entry, Numbered, UsageUnavailable

SCHEMA = """
create table usage (
    number integer primary key autoincrement, id text not null unique, record text not null, until_ms integer not null,
    acknowledged_ms integer not null default 0, is_sent integer not null default 0
) strict;
create index usage_to_read on usage (number) where until_ms = 0 and acknowledged_ms = 0;
create index usage_to_send on usage (number) where is_sent = 0;
create index usage_read on usage (acknowledged_ms) where acknowledged_ms > 0
"""

AT_START = "update usage set until_ms = 0, is_sent = 0 where until_ms > 0"
"""Makes every record final: no answer of an earlier process is under way any more."""

_PUT = """
insert into usage (id, record, until_ms) values (?, ?, ?)
on conflict (id) do update set record = excluded.record, until_ms = excluded.until_ms, is_sent = 0
where usage.until_ms > 0
"""

T = TypeVar("T")


class SqliteUsage:
    """All records of the file belong to the one bot of the pod."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded

    def submit(self, entries: Sequence[Entry]) -> asyncio.Future[None]:
        """Write `entries`, whether somebody waits for it or not."""
        rows = [(each.id, each.record, each.until_ms) for each in entries]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(_PUT, rows)

        return self._embedded.submit(work)

    async def put(self, entries: Sequence[Entry]) -> None:
        try:
            await self.submit(entries)
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    async def unacknowledged(self, after: int, at_most: int) -> Sequence[Numbered]:
        query = (
            "select number, record from usage where until_ms = 0 and acknowledged_ms = 0 and number > ? "
            "order by number limit ?"
        )
        return await self._run(lambda db: [Numbered(*row) for row in db.execute(query, (after, at_most))])

    async def acknowledge(self, ids: Sequence[str], now_ms: int) -> int:
        query = "update usage set acknowledged_ms = ? where id = ? and until_ms = 0 and acknowledged_ms = 0"
        rows = [(now_ms, each) for each in ids]
        return await self._run(lambda db: db.executemany(query, rows).rowcount)

    async def give_up(self, now_ms: int) -> int:
        query = "update usage set until_ms = 0, is_sent = 0 where until_ms > 0 and until_ms < ?"
        return await self._run(lambda db: db.execute(query, (now_ms,)).rowcount)

    async def trim(self, before_ms: int, at_most: int) -> int:
        read = "select id from usage where acknowledged_ms > 0 and acknowledged_ms < ? limit ?"
        query = f"delete from usage where id in ({read})"
        return await self._run(lambda db: db.execute(query, (before_ms, at_most)).rowcount)

    async def unsent(self, at_most: int) -> Sequence[Entry]:
        """Return what a bigger store has not got yet."""
        query = (
            "select id, record, until_ms from usage where is_sent = 0 and acknowledged_ms = 0 order by number limit ?"
        )
        return await self._run(lambda db: [Entry(*row) for row in db.execute(query, (at_most,))])

    async def sent(self, entries: Sequence[Entry]) -> None:
        """Note that a bigger store has `entries`: the final ones are its business from now on."""
        final = [(each.id,) for each in entries if not each.until_ms]
        others = [(each.id,) for each in entries if each.until_ms]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("delete from usage where id = ? and until_ms = 0", final)
            # One that was closed meanwhile is to be sent again.
            db.executemany("update usage set is_sent = 1 where id = ? and until_ms > 0", others)

        await self._run(work)

    async def waiting(self) -> int:
        """Return how many final records nobody has acknowledged."""
        query = "select count(*) from usage where until_ms = 0 and acknowledged_ms = 0"
        return await self._run(lambda db: int(db.execute(query).fetchone()[0]))

    async def _run(self, work: Work[T]) -> T:
        try:
            return await self._embedded.run(work)
        except sqlite3.Error as error:
            raise _unavailable(error) from error


def _unavailable(error: sqlite3.Error) -> UsageUnavailable:
    return UsageUnavailable(f"The embedded store: {error}")
