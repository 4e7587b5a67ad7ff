"""The ledger in a Store of type PostgreSQL: each call is one statement."""

from collections.abc import Sequence

from smarter_runtime.limits.ledger import WINDOW_MS, Account, Charge, Hit, Lease, Line, wait_ms
from smarter_runtime.limits.memory_ledger import SLOT_RETRY_MS
from smarter_runtime.stores.connections import StoreConnections

_TABLES = """
create table smarter_counters (key text primary key, amount bigint not null, until_ms bigint not null);
create index smarter_counters_until on smarter_counters (until_ms);
create table smarter_leases (key text, lease text, until_ms bigint not null, primary key (key, lease));

-- Waits until nobody else counts on one of these keys; always in the same order, lest two wait for each other.
create function smarter_limits_lock(keys text[]) returns void language plpgsql as $$
declare one text;
begin
  for one in select distinct k from unnest(keys) k order by k loop
    perform pg_advisory_xact_lock(hashtextextended('smarter-limits:' || one, 0));
  end loop;
end $$;

create function smarter_limits_add(keys text[], amounts bigint[], ends bigint[]) returns void language sql as $$
  insert into smarter_counters
  select k, sum(a), max(e) from unnest(keys, amounts, ends) one(k, a, e) group by k order by k
  on conflict (key) do update
  set amount = smarter_counters.amount + excluded.amount, until_ms = excluded.until_ms;
$$;

create function smarter_limits_admit(
  kinds text[], limits bigint[], befores text[], keys text[], now_ms bigint, lease_id text, lease_until bigint,
  enforce boolean
) returns table (line integer, before bigint, current bigint) language plpgsql as $$
declare
  elapsed bigint := now_ms % 60000;
  found boolean := false;
  i integer;
begin
  perform smarter_limits_lock(keys);
  -- Now and then, and few at a time, what is over is removed.
  if random() < 0.01 then
    delete from smarter_counters where key in
      (select c.key from smarter_counters c where c.until_ms < now_ms limit 1000 for update skip locked);
    delete from smarter_leases where until_ms < now_ms - 60000;
  end if;
  for i in 1 .. cardinality(keys) loop
    before := 0;
    if kinds[i] = 'Slot' then
      delete from smarter_leases l where l.key = keys[i] and l.until_ms <= now_ms;
      select count(*) into current from smarter_leases l where l.key = keys[i];
    else
      select coalesce(max(c.amount), 0) into current from smarter_counters c where c.key = keys[i];
    end if;
    if kinds[i] = 'Rate' then
      select coalesce(max(c.amount), 0) into before from smarter_counters c where c.key = befores[i];
      continue when before * (60000 - elapsed) / 60000 + current + 1 <= limits[i];
    else
      continue when current < limits[i];
    end if;
    found := true;
    line := i;
    return next;
  end loop;
  if found and enforce then
    return;
  end if;
  perform smarter_limits_add(array_agg(k), array_agg(1::bigint), array_agg((now_ms / 60000 + 2) * 60000))
  from unnest(kinds, keys) one(kind, k) where kind = 'Rate' having count(*) > 0;
  insert into smarter_leases
  select distinct k, lease_id, lease_until from unnest(kinds, keys) one(kind, k) where kind = 'Slot'
  on conflict do nothing;
end $$;

-- Returns the number of the first account that has no room; 0: the amount is added to all.
create function smarter_limits_reserve(keys text[], limits bigint[], ends bigint[], amount bigint)
returns integer language plpgsql as $$
declare i integer; used bigint;
begin
  perform smarter_limits_lock(keys);
  for i in 1 .. cardinality(keys) loop
    select coalesce(max(c.amount), 0) into used from smarter_counters c where c.key = keys[i];
    if used + amount > limits[i] then
      return i;
    end if;
  end loop;
  perform smarter_limits_add(keys, array_fill(amount, array[cardinality(keys)]), ends);
  return 0;
end $$;
"""
SCHEMA = (_TABLES,)

_ADMIT = "select * from smarter_limits_admit($1, $2, $3, $4, $5, $6, $7, $8)"
_RELEASE = "delete from smarter_leases where lease = $1 and key = any($2)"
_RESERVE = "select smarter_limits_reserve($1, $2, $3, $4)"
_CHARGE = "select smarter_limits_add($1, $2, $3)"
_USED = "select key, amount from smarter_counters where key = any($1)"


class PostgreSqlLedger:
    """Counts in rows."""

    def __init__(self, stores: StoreConnections) -> None:
        self._stores = stores

    async def admit(self, lines: Sequence[Line], lease: Lease, now_ms: int, *, enforce: bool) -> Sequence[Hit]:
        kinds, limits = [line.kind for line in lines], [line.limit for line in lines]
        befores = [_key(line, now_ms // WINDOW_MS - 1) for line in lines]
        keys = [_key(line, now_ms // WINDOW_MS) for line in lines]
        async with self._stores.postgresql() as pool:
            found = await pool.fetch(_ADMIT, kinds, limits, befores, keys, now_ms, lease.id, lease.until_ms, enforce)
        return [_hit(lines, row["line"] - 1, row["before"], row["current"], now_ms) for row in found]

    async def release(self, lines: Sequence[Line], lease: Lease) -> None:
        keys = [_key(line, 0) for line in lines if line.kind == "Slot"]
        if keys:
            async with self._stores.postgresql() as pool:
                await pool.execute(_RELEASE, lease.id, keys)

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        keys, limits = [account.key for account in accounts], [account.limit for account in accounts]
        ends = [account.until_ms for account in accounts]
        async with self._stores.postgresql() as pool:
            number = await pool.fetchval(_RESERVE, keys, limits, ends, amount)
        return number - 1 if number else None

    async def charge(self, charges: Sequence[Charge]) -> None:
        keys, amounts = [charge.key for charge in charges], [charge.amount for charge in charges]
        async with self._stores.postgresql() as pool:
            await pool.execute(_CHARGE, keys, amounts, [charge.until_ms for charge in charges])

    async def used(self, keys: Sequence[str]) -> Sequence[int]:
        async with self._stores.postgresql() as pool:
            found = {row["key"]: int(row["amount"]) for row in await pool.fetch(_USED, list(keys))}
        return [found.get(key, 0) for key in keys]


def _key(line: Line, window: int) -> str:
    if line.kind == "Rate":
        return f"rate:{line.key}:{window}"
    return line.key if line.kind == "Quota" else f"slots:{line.key}"


def _hit(lines: Sequence[Line], number: int, before: int, current: int, now_ms: int) -> Hit:
    if lines[number].kind == "Rate":
        return Hit(number, wait_ms(lines[number].limit, before, current, now_ms))
    return Hit(number, SLOT_RETRY_MS if lines[number].kind == "Slot" else 0)
