"""The ledgers in real Stores do what the one in memory does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smarter_runtime.limits.ledger import Charge, Ledger
from smarter_runtime.limits.postgresql_ledger import SCHEMA, PostgreSqlLedger
from smarter_runtime.limits.redis_ledger import RedisLedger
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.stores.connections import StoreConnections
from support.ledger_suite import LATER, NOON, LedgerSuite, admitted, lease, rate, slot
from support.postgresql import PostgreSQL
from support.redis_server import Redis
from support.stores import TestStore, postgresql_store, redis_store


async def opened(store: TestStore) -> StoreConnections:
    made = StoreConnections(SecretFiles(store.secrets), schemas={"limits": SCHEMA}, retry_seconds=0)
    await made.use(store.config)
    return made


class TestRedisLedger(LedgerSuite):
    @pytest.fixture
    async def ledger(self, redis_server: Redis, tmp_path: Path) -> AsyncIterator[RedisLedger]:
        redis_server.command("FLUSHALL")
        stores = await opened(redis_store(redis_server, tmp_path))
        yield RedisLedger(stores)
        await stores.close()

    async def test_nothing_stays_for_ever(self, ledger: RedisLedger, redis_server: Redis) -> None:
        await admitted(ledger, rate(5), slot(5))
        await ledger.charge([Charge("tokens", 1, LATER)])
        keys = redis_server.command("KEYS", "*").splitlines()
        assert len(keys) == 3
        assert all(int(redis_server.command("PTTL", key)) > 0 for key in keys)


class TestPostgreSqlLedger(LedgerSuite):
    @pytest.fixture
    async def ledger(self, postgresql: PostgreSQL, tmp_path: Path) -> AsyncIterator[PostgreSqlLedger]:
        stores = await opened(postgresql_store(postgresql, tmp_path))
        yield PostgreSqlLedger(stores)
        await stores.close()

    async def test_what_is_over_is_removed_in_the_course_of_time(self, ledger: PostgreSqlLedger) -> None:
        for number in range(20):
            await admitted(ledger, rate(5, f"net-{number}"), slot(1, f"net-{number}"), held=lease("", NOON))
        async with ledger._stores.postgresql() as pool:
            # One request in a hundred clears up.
            for _ in range(40):
                await pool.execute(
                    "select smarter_limits_admit('{Rate}', '{5}', '{x}', '{y}', $1, 'l', 0, true) "
                    "from generate_series(1, 50)",
                    LATER,
                )
            assert await pool.fetchval("select count(*) from smarter_counters where key like 'rate:net-%'") == 0
            assert await pool.fetchval("select count(*) from smarter_leases") == 0


@pytest.fixture(params=["Redis", "PostgreSQL"])
async def two_pods(
    request: pytest.FixtureRequest, redis_server: Redis, postgresql: PostgreSQL, tmp_path: Path
) -> AsyncIterator[list[Ledger]]:
    if request.param == "Redis":
        store = redis_store(redis_server, tmp_path)
        redis_server.command("FLUSHALL")
    else:
        store = postgresql_store(postgresql, tmp_path)
    stores = [await opened(store) for _ in range(2)]
    yield [RedisLedger(each) if request.param == "Redis" else PostgreSqlLedger(each) for each in stores]
    for each in stores:
        await each.close()


async def test_two_pods_share_one_limit(two_pods: list[Ledger]) -> None:
    through = [await admitted(two_pods[number % 2], rate(5), slot(8)) for number in range(10)]
    assert sum(through) == 5
