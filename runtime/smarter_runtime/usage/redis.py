"""Usage records in a Redis Store: the records by id, and which of them are open, final and acknowledged."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.usage import Entry, Numbered, UsageUnavailable

MOST_GIVEN_UP = 1000
"""At a time; what is left comes the next time."""

# Keys of all scripts: records, open, final, acknowledged, number of the last final one.
_PUT = """
for i = 1, #ARGV, 3 do
    local id, record, until_ms = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
    if not redis.call('zscore', KEYS[3], id) and not redis.call('zscore', KEYS[4], id) then
        redis.call('hset', KEYS[1], id, record)
        if until_ms > 0 then
            redis.call('zadd', KEYS[2], until_ms, id)
        else
            redis.call('zrem', KEYS[2], id)
            redis.call('zadd', KEYS[3], redis.call('incr', KEYS[5]), id)
        end
    end
end
"""
_GIVE_UP = """
local ids = redis.call('zrangebyscore', KEYS[2], '-inf', '(' .. ARGV[1], 'limit', 0, ARGV[2])
for _, id in ipairs(ids) do
    redis.call('zrem', KEYS[2], id)
    redis.call('zadd', KEYS[3], redis.call('incr', KEYS[5]), id)
end
return #ids
"""
_ACKNOWLEDGE = """
local count = 0
for i = 2, #ARGV do
    if redis.call('zrem', KEYS[3], ARGV[i]) == 1 then
        redis.call('hdel', KEYS[1], ARGV[i])
        redis.call('zadd', KEYS[4], ARGV[1], ARGV[i])
        count = count + 1
    end
end
return count
"""
_TRIM = """
local ids = redis.call('zrangebyscore', KEYS[4], '-inf', '(' .. ARGV[1], 'limit', 0, ARGV[2])
for _, id in ipairs(ids) do redis.call('zrem', KEYS[4], id) end
return #ids
"""


class RedisUsage:
    """Those of one bot. The server must not drop keys when its memory is full (`maxmemory-policy noeviction`)."""

    def __init__(self, connections: StoreConnections, bot: str) -> None:
        self._connections = connections
        prefix = f"smarter:{{{bot}}}:usage"
        self._records, self._final = f"{prefix}:records", f"{prefix}:final"
        self._keys = (self._records, f"{prefix}:open", self._final, f"{prefix}:acknowledged", f"{prefix}:number")

    async def put(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._run(_PUT, *(part for each in entries for part in (each.id, each.record, each.until_ms)))

    async def unacknowledged(self, after: int, at_most: int) -> Sequence[Numbered]:
        async with self._lent() as redis:
            page = await redis.zrange(
                self._final, f"({after}", "+inf", byscore=True, offset=0, num=at_most, withscores=True
            )
            if not page:
                return []
            found = await redis.hmget(self._records, [id_ for id_, _ in page])
        pairs = zip(page, found, strict=True)
        return [Numbered(int(number), record.decode()) for (_, number), record in pairs if record]

    async def acknowledge(self, ids: Sequence[str], now_ms: int) -> int:
        return await self._run(_ACKNOWLEDGE, now_ms, *ids)

    async def give_up(self, now_ms: int) -> int:
        return await self._run(_GIVE_UP, now_ms, MOST_GIVEN_UP)

    async def trim(self, before_ms: int, at_most: int) -> int:
        return await self._run(_TRIM, before_ms, at_most)

    async def _run(self, script: str, *arguments: Any) -> int:
        async with self._lent() as redis:
            return int(await redis.eval(script, len(self._keys), *self._keys, *arguments) or 0)

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Any]:
        # Not typed: the client's types leave open whether it answers with bytes.
        try:
            async with self._connections.redis() as redis:
                yield redis
        except StoreUnavailable as error:
            raise UsageUnavailable(str(error)) from error
