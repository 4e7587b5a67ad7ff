"""The stores of usage records in real servers do what the embedded one does, for many bots beside each other."""

import pytest

from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.usage import UsageStore
from smarter_runtime.usage.postgresql import PostgreSqlUsage
from smarter_runtime.usage.redis import RedisUsage
from support.redis_server import Redis
from support.usage_suite import UsageSuite, begun, final, to_read

BOT, OTHER = "bot-1", "bot-2"


class TestRedisUsage(UsageSuite):
    @pytest.fixture
    def store(self, in_redis: StoreConnections) -> UsageStore:
        return RedisUsage(in_redis, BOT)

    async def test_no_record_ends_by_itself(self, store: UsageStore, redis_server: Redis) -> None:
        await store.put([final("a"), begun("b"), final("c")])
        await store.acknowledge(["c"], 1000)
        keys = redis_server.command("KEYS", "*").splitlines()
        assert len(keys) == 5
        assert {redis_server.command("PTTL", key) for key in keys} == {"-1"}


class TestPostgreSqlUsage(UsageSuite):
    @pytest.fixture
    def store(self, in_postgresql: StoreConnections) -> UsageStore:
        return PostgreSqlUsage(in_postgresql, BOT)

    async def test_answers_of_a_bot_that_is_gone_are_given_up_as_well(
        self, store: UsageStore, in_postgresql: StoreConnections
    ) -> None:
        other = PostgreSqlUsage(in_postgresql, OTHER)
        await store.put([begun("a", 5000)])
        assert await other.give_up(5001) == 1
        assert await to_read(store) == [begun("a").record]


@pytest.fixture(params=["Redis", "PostgreSQL"])
def two_bots(request: pytest.FixtureRequest) -> list[UsageStore]:
    if request.param == "Redis":
        return [RedisUsage(request.getfixturevalue("in_redis"), bot) for bot in (BOT, OTHER)]
    return [PostgreSqlUsage(request.getfixturevalue("in_postgresql"), bot) for bot in (BOT, OTHER)]


async def test_bots_that_share_a_store_do_not_see_each_others_records(two_bots: list[UsageStore]) -> None:
    one, other = two_bots
    await one.put([final("a", "one's")])
    await other.put([final("a", "other's"), final("b")])
    assert await other.acknowledge(["a", "b"], 1000) == 2
    assert await other.trim(9000, 10) == 2
    assert await to_read(one) == [final("a", "one's").record]
