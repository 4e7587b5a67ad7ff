"""Usage records in a PostgreSQL Store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.usage import Entry, Numbered, UsageUnavailable

if TYPE_CHECKING:
    import asyncpg

SCHEMA = (
    """
create table smarter_usage (
    number bigint generated always as identity primary key, bot text not null, id text not null, record text not null,
    until_ms bigint not null, acknowledged_ms bigint not null default 0,
    unique (bot, id)
);
create index smarter_usage_to_read on smarter_usage (bot, number) where until_ms = 0 and acknowledged_ms = 0;
create index smarter_usage_open on smarter_usage (until_ms) where until_ms > 0;
create index smarter_usage_read on smarter_usage (acknowledged_ms) where acknowledged_ms > 0;
""",
)
"""Of the part `usage`; what is released is never changed, only added to."""

_PUT = """
insert into smarter_usage (bot, id, record, until_ms)
select $1, * from unnest($2::text[], $3::text[], $4::bigint[]) as given (id, record, until_ms) order by id
on conflict (bot, id) do update set record = excluded.record, until_ms = excluded.until_ms
where smarter_usage.until_ms > 0
"""


class PostgreSqlUsage:
    """Those of one bot; others have theirs in the same table."""

    def __init__(self, connections: StoreConnections, bot: str) -> None:
        self._connections = connections
        self._bot = bot

    async def put(self, entries: Sequence[Entry]) -> None:
        # One statement can meet an id once only; the last word counts.
        newest = {each.id: each for each in entries if each.until_ms}
        newest |= {each.id: each for each in reversed(entries) if not each.until_ms}
        columns = [[getattr(each, name) for each in newest.values()] for name in ("id", "record", "until_ms")]
        await self._changed(_PUT, self._bot, *columns)

    async def unacknowledged(self, after: int, at_most: int) -> Sequence[Numbered]:
        query = (
            "select number, record from smarter_usage "
            "where bot = $1 and until_ms = 0 and acknowledged_ms = 0 and number > $2 order by number limit $3"
        )
        async with self._lent() as pool:
            return [Numbered(*row) for row in await pool.fetch(query, self._bot, after, at_most)]

    async def acknowledge(self, ids: Sequence[str], now_ms: int) -> int:
        query = (
            "update smarter_usage set acknowledged_ms = $3 "
            "where bot = $1 and id = any($2::text[]) and until_ms = 0 and acknowledged_ms = 0"
        )
        return await self._changed(query, self._bot, list(ids), now_ms)

    async def give_up(self, now_ms: int) -> int:
        # Also for bots that are gone; each says of its answers how long they may take.
        query = "update smarter_usage set until_ms = 0 where until_ms > 0 and until_ms < $1"
        return await self._changed(query, now_ms)

    async def trim(self, before_ms: int, at_most: int) -> int:
        read = (
            "select number from smarter_usage where acknowledged_ms > 0 and acknowledged_ms < $1 limit $2 "
            "for update skip locked"
        )
        return await self._changed(f"delete from smarter_usage where number in ({read})", before_ms, at_most)

    async def _changed(self, query: str, *parameters: object) -> int:
        async with self._lent() as pool:
            return int((await pool.execute(query, *parameters)).rsplit(" ", 1)[1])

    @asynccontextmanager
    async def _lent(self) -> "AsyncIterator[asyncpg.Pool]":
        try:
            async with self._connections.postgresql() as pool:
                yield pool
        except StoreUnavailable as error:
            raise UsageUnavailable(str(error)) from error
