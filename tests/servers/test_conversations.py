"""The stores of conversations in real servers do what the embedded one does, for many bots beside each other."""

import asyncio

import pytest

from smarter_runtime.conversations import DAY_MS, ConversationBusy, Conversations, Opened
from smarter_runtime.conversations.postgresql import PostgreSqlConversations
from smarter_runtime.conversations.redis import GRACE_DAYS, RedisConversations
from smarter_runtime.conversations.redis_layout import Keys
from smarter_runtime.stores.connections import StoreConnections
from support.conversation_suite import ANN, ConversationSuite, closed, ids, question, said, texts
from support.redis_server import Redis

BOT, OTHER = "bot-1", "bot-2"
DAYS = 30


class TestRedisConversations(ConversationSuite):
    @pytest.fixture
    def store(self, in_redis: StoreConnections) -> Conversations:
        return RedisConversations(in_redis, BOT, DAYS)

    async def test_nothing_is_left_of_what_is_erased(self, store: Conversations, redis_server: Redis) -> None:
        for number in range(3):
            await said(store, f"c{number}", ("One?", "Yes."), at=1000 * number)
        assert await store.erase(ANN, "c0")
        assert await store.expire(1500, 10) == 1
        assert await store.erase_all(ANN) == 1
        assert redis_server.command("KEYS", "*") == ""

    async def test_what_a_bot_leaves_behind_that_is_gone_ends_by_itself(
        self, store: Conversations, redis_server: Redis
    ) -> None:
        await said(store, "c", ("One?", "Yes."))
        keys = redis_server.command("KEYS", "*").splitlines()
        assert len(keys) == 4
        life_ms = (DAYS + GRACE_DAYS) * DAY_MS
        assert all(life_ms - 60_000 < int(redis_server.command("PTTL", key)) <= life_ms for key in keys)

    @pytest.mark.parametrize("days", [1, 365])
    async def test_what_is_there_already_ends_as_a_changed_retention_says(
        self, in_redis: StoreConnections, redis_server: Redis, days: int
    ) -> None:
        before, keys = RedisConversations(in_redis, BOT, DAYS), Keys(BOT)
        now_ms = int(redis_server.command("TIME").split()[0]) * 1000
        for number in range(30):
            await said(before, f"c{number}", ("One?", "Yes."), at=now_ms - DAY_MS)
        assert await RedisConversations(in_redis, BOT, days).sweep(days, now_ms, 10) == 0
        life_ms = (days + GRACE_DAYS) * DAY_MS
        for key in (keys.head("c7"), keys.turns("c29"), keys.of(ANN), keys.by_age):
            until_ms = int(redis_server.command("PTTL", key))
            assert life_ms - DAY_MS - 60_000 < until_ms <= life_ms, key


class TestPostgreSqlConversations(ConversationSuite):
    @pytest.fixture
    def store(self, in_postgresql: StoreConnections) -> Conversations:
        return PostgreSqlConversations(in_postgresql, BOT, DAYS)

    async def test_what_a_bot_leaves_behind_that_is_gone_is_erased_by_another(
        self, store: Conversations, in_postgresql: StoreConnections
    ) -> None:
        other = PostgreSqlConversations(in_postgresql, OTHER, 2)
        for number in range(3):
            await said(store, f"c{number}", ("One?", "Yes."), at=1000 * number)
        due_ms = 1000 + 1 + (DAYS + 1) * DAY_MS
        assert await other.sweep(2, due_ms, 10) == 1
        assert await other.sweep(2, due_ms + 1, 10) == 1
        assert await ids(store) == ["c2"]
        assert await other.sweep(2, 10 * due_ms, 10) == 1

    async def test_what_is_there_already_ends_as_a_changed_retention_says(
        self, store: Conversations, in_postgresql: StoreConnections
    ) -> None:
        other = PostgreSqlConversations(in_postgresql, OTHER, 2)
        await said(store, "c", ("One?", "Yes."))
        assert await store.sweep(365, 2000, 10) == 0
        assert await other.sweep(2, 366 * DAY_MS, 10) == 0
        assert await store.sweep(1, 2000, 10) == 0
        assert await other.sweep(2, 3 * DAY_MS, 10) == 1

    async def test_the_character_that_postgresql_does_not_know_harms_nothing(self, store: Conversations) -> None:
        await said(store, "c", ("One\0?", "Yes\0."))
        assert await texts(store, "c") == [("One\ufffd?", "Yes\ufffd.", "Complete")]
        assert [head.title for head in await store.heads(ANN, 1)] == ["One\ufffd?"]


@pytest.fixture(params=["Redis", "PostgreSQL"])
def connections(request: pytest.FixtureRequest) -> StoreConnections:
    found: StoreConnections = request.getfixturevalue("in_redis" if request.param == "Redis" else "in_postgresql")
    return found


def of(connections: StoreConnections, bot: str) -> Conversations:
    assert connections.config is not None
    made = RedisConversations if connections.config.type == "Redis" else PostgreSqlConversations
    return made(connections, bot, DAYS)


async def test_bots_that_share_a_store_do_not_see_each_others_conversations(connections: StoreConnections) -> None:
    one, other = of(connections, BOT), of(connections, OTHER)
    await said(one, "c", ("One?", "Yes."))
    await said(other, "c", ("Mine?", "No."))
    await said(other, "d", ("Mine?", "No."))
    assert (await ids(one), await ids(other)) == (["c"], ["d", "c"])
    assert await other.erase_all(ANN) == 2
    assert await other.expire(10**15, 10) == 0
    assert await texts(one, "c") == [("One?", "Yes.", "Complete")]


async def test_pods_that_are_asked_at_once_give_the_turn_to_one(connections: StoreConnections) -> None:
    pods = [of(connections, BOT) for _ in range(5)]
    await said(pods[0], "c", ("Zero?", "Zero!"))
    for round_ in range(10):
        asked = [question(f"{round_}?", at=5000 + round_, answer=f"a{round_}-{pod}") for pod in range(5)]
        outcomes = await asyncio.gather(
            *(pod.open("c", each) for pod, each in zip(pods, asked, strict=True)), return_exceptions=True
        )
        (winner,) = [number for number, each in enumerate(outcomes) if isinstance(each, Opened)]
        assert sum(isinstance(each, ConversationBusy) for each in outcomes) == 4
        assert await pods[(winner + 1) % 5].close("c", closed(asked[winner], round_ + 2), None)
    assert [text for text, _, _ in await texts(pods[0], "c")] == ["Zero?", *(f"{round_}?" for round_ in range(10))]
