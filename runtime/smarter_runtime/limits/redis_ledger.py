"""The ledger in a Store of type Redis: each call is one Lua script, which the server runs as a whole."""

from collections.abc import Sequence
from typing import Any

from smarter_runtime.limits.ledger import WINDOW_MS, Account, Charge, Hit, Lease, Line, wait_ms
from smarter_runtime.limits.memory_ledger import SLOT_RETRY_MS
from smarter_runtime.stores.connections import StoreConnections

# In braces: all keys lie on one server of a cluster, as scripts with several keys need.
PREFIX = "{smarter-limits}:"

# KEYS: of each line the window before and this one, the set of leases, or the counter, twice each.
# ARGV: whether to enforce, now, milliseconds of this window, lease, its end; then kind and limit of each line.
_ADMIT = """
local now, elapsed, lease, ends = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local hits = {}
for line = 1, #KEYS / 2 do
  local kind, limit, key = ARGV[4 + 2 * line], tonumber(ARGV[5 + 2 * line]), KEYS[2 * line]
  if kind == 'Rate' then
    local before = tonumber(redis.call('GET', KEYS[2 * line - 1]) or 0)
    local current = tonumber(redis.call('GET', key) or 0)
    if math.floor(before * (60000 - elapsed) / 60000) + current + 1 > limit then
      hits[#hits + 1] = {line, before, current}
    end
  elseif kind == 'Slot' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) >= limit then hits[#hits + 1] = {line, 0, 0} end
  elseif tonumber(redis.call('GET', key) or 0) >= limit then
    hits[#hits + 1] = {line, 0, 0}
  end
end
if #hits > 0 and ARGV[1] == '1' then return hits end
for line = 1, #KEYS / 2 do
  local kind, key = ARGV[4 + 2 * line], KEYS[2 * line]
  if kind == 'Rate' then
    redis.call('INCR', key)
    redis.call('PEXPIRE', key, 120000)
  elseif kind == 'Slot' then
    redis.call('ZADD', key, ends, lease)
    if redis.call('PTTL', key) < ends - now then redis.call('PEXPIRE', key, ends - now) end
  end
end
return hits
"""
# KEYS: counters. ARGV: amount; then limit and end of each.
_RESERVE = """
local amount = tonumber(ARGV[1])
for number, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) + amount > tonumber(ARGV[2 * number]) then return number end
end
for number, key in ipairs(KEYS) do
  redis.call('INCRBY', key, ARGV[1])
  redis.call('PEXPIREAT', key, ARGV[2 * number + 1])
end
return 0
"""


class RedisLedger:
    """Counts in keys that expire by themselves."""

    def __init__(self, stores: StoreConnections) -> None:
        self._stores = stores

    async def admit(self, lines: Sequence[Line], lease: Lease, now_ms: int, *, enforce: bool) -> Sequence[Hit]:
        keys = [key for line in lines for key in _keys(line, now_ms)]
        about = [str(part) for line in lines for part in (line.kind, line.limit)]
        head = ["1" if enforce else "0", str(now_ms), str(now_ms % WINDOW_MS), lease.id, str(lease.until_ms)]
        found = await self._run(_ADMIT, keys, [*head, *about])
        return [_hit(lines, line - 1, before, current, now_ms) for line, before, current in found]

    async def release(self, lines: Sequence[Line], lease: Lease) -> None:
        slots = [line for line in lines if line.kind == "Slot"]
        if slots:
            async with self._stores.redis() as client, client.pipeline() as together:
                for line in slots:
                    together.zrem(_keys(line, 0)[1], lease.id)
                await together.execute()

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        keys = [PREFIX + account.key for account in accounts]
        about = [str(part) for account in accounts for part in (account.limit, account.until_ms)]
        number = int(await self._run(_RESERVE, keys, [str(amount), *about]))
        return number - 1 if number else None

    async def charge(self, charges: Sequence[Charge]) -> None:
        async with self._stores.redis() as client, client.pipeline(transaction=True) as together:
            for charge in charges:
                together.incrby(PREFIX + charge.key, charge.amount)
                together.pexpireat(PREFIX + charge.key, charge.until_ms)
            await together.execute()

    async def used(self, keys: Sequence[str]) -> Sequence[int]:
        async with self._stores.redis() as client:
            return [int(value or 0) for value in await client.mget([PREFIX + key for key in keys])]

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        async with self._stores.redis() as client:
            return await client.register_script(script)(keys=keys, args=arguments)


def _keys(line: Line, now_ms: int) -> tuple[str, str]:
    window = now_ms // WINDOW_MS
    if line.kind == "Rate":
        return f"{PREFIX}rate:{line.key}:{window - 1}", f"{PREFIX}rate:{line.key}:{window}"
    name = PREFIX + (line.key if line.kind == "Quota" else f"slots:{line.key}")
    return name, name


def _hit(lines: Sequence[Line], number: int, before: int, current: int, now_ms: int) -> Hit:
    if lines[number].kind == "Rate":
        return Hit(number, wait_ms(lines[number].limit, before, current, now_ms))
    return Hit(number, SLOT_RETRY_MS if lines[number].kind == "Slot" else 0)
