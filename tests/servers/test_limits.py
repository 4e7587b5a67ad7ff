"""Bots that share a real Store: one limit for all pods, and what happens while the Store is away."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from runtime.support import Running, played, says, until
from runtime.test_challenges import PUBLIC, challenge, outcome, solved
from servers.pods import away, store_in, two_pods
from smarter_crds.limits import Budget
from smarter_crds.price_config import PriceConfig
from smarter_crds.runtime_config import LimitsConfig, ModelConfig
from smarter_runtime.limits import utc_now
from smarter_runtime.limits.purse import month_counter
from support.postgresql import PostgreSQL
from support.redis_server import Redis

PRICE = PriceConfig(input=Decimal(1000), output=Decimal(2000), cached_input=Decimal(100))
PRICED = {"prices": {"gpt": (PRICE,)}}
MODEL = ModelConfig(provider="main", name="gpt", max_tokens=10)
# Redis forgets by its own clock.
NOW = {"clock": utc_now}
BUDGET = Budget(amount="5", currency="USD", period="Month")


async def test_pods_share_the_requests_of_a_minute(server: Redis | PostgreSQL, tmp_path: Path) -> None:
    async with two_pods(server, tmp_path, limits=LimitsConfig(requests_per_minute=4)) as pods:
        assert [(await pods[number % 2].chat("hi")).status for number in range(6)] == [200] * 4 + [429] * 2


async def test_a_proof_of_work_buys_one_session_of_one_pod(server: Redis | PostgreSQL, tmp_path: Path) -> None:
    async with two_pods(server, tmp_path) as pods:
        for pod in pods:
            document = pod.services.bot().config
            await pod.reload(document.model_copy(update={"access": PUBLIC}))
        proofs = [solved(await challenge(pods[number % 2])) for number in range(3)]
        for proof in proofs:
            found = await asyncio.gather(*(outcome(pods[number % 2], proof) for number in range(10)))
            assert sorted(found) == [(200, "")] + [(409, "challenge_used")] * 9


async def test_while_the_store_is_away_a_pod_takes_a_proof_once(server: Redis | PostgreSQL, tmp_path: Path) -> None:
    async with two_pods(server, tmp_path) as (pod, _):
        await pod.reload(pod.services.bot().config.model_copy(update={"access": PUBLIC}))
        proof = solved(await challenge(pod))
        with away(server):
            assert [await outcome(pod, proof) for _ in range(2)] == [(200, ""), (409, "challenge_used")]


async def test_pods_share_the_tokens_of_a_day(server: Redis | PostgreSQL, tmp_path: Path) -> None:
    async with two_pods(server, tmp_path, limits=LimitsConfig(tokens_per_day=20)) as (first, second):
        assert (await first.chat("hi")).status == 200
        await first.services.limits.flush()
        refused = await second.chat("hi")
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "insufficient_quota")
        assert await second.used_tokens() == await first.used_tokens() > 20


async def spent(bot: Running) -> Decimal:
    await bot.services.limits.flush()
    counter = month_counter("bot/uid-of-support", bot.services.clock())
    return Decimal((await bot.services.limits.ledger().used([counter]))[0]) / 10**9


async def test_a_hundred_racers_on_the_last_cent_ask_the_model_once(server: Redis | PostgreSQL, tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(request: Any) -> Any:
        await release.wait()
        return await says("a")(request)

    store = store_in(server, tmp_path)
    budget = BUDGET.model_copy(update={"amount": "0.09"})
    async with played(
        tmp_path, slow, provider=PRICED, model=MODEL, budget=budget, store=store.config, settings=NOW
    ) as (bot, provider):
        racing = [asyncio.create_task(bot.chat("hi")) for _ in range(100)]
        await until(lambda: sum(each.done() for each in racing) >= 99)
        release.set()
        assert sorted([(await each).status for each in racing]) == [200] + [402] * 99
        assert len(provider.bodies) == 1
        assert await spent(bot) == Decimal("0.02")


async def test_without_the_store_a_bot_with_a_budget_answers_nothing_until_it_is_back(
    server: Redis | PostgreSQL, tmp_path: Path
) -> None:
    store = store_in(server, tmp_path)
    limits = LimitsConfig(requests_per_minute=100)
    async with played(
        tmp_path,
        says("a"),
        says("b"),
        provider=PRICED,
        model=MODEL,
        budget=BUDGET,
        store=store.config,
        limits=limits,
        settings=NOW,
    ) as (bot, provider):
        bot.services.stores.retry_seconds = 0
        assert (await bot.chat("hi")).status == 200
        assert await spent(bot) == Decimal("0.02")
        with away(server):
            refused = await bot.chat("hi")
            assert (refused.status, (await refused.json())["error"]["code"]) == (503, "store_unavailable")
            assert len(provider.bodies) == 1
            (problem,) = (await bot.status())["problems"]
            assert (problem["reason"], problem["resource"]) == ("StoreUnreachable", {"kind": "Store", "name": "main"})
        again = await bot.chat("hi")
        assert again.status == 200, bot.services.stores.problem
        assert await spent(bot) == Decimal("0.04")
        assert (await bot.status())["problems"] == []


async def test_without_the_store_each_pod_counts_for_itself_and_tells_it_later(
    server: Redis | PostgreSQL, tmp_path: Path
) -> None:
    limits = LimitsConfig(requests_per_minute=2, tokens_per_day=1000)
    async with two_pods(server, tmp_path, limits=limits) as (first, second):
        with away(server):
            assert [(await first.chat("hi")).status for _ in range(3)] == [200, 200, 429]
            assert (await second.chat("hi")).status == 200
        used = await first.used_tokens()
        assert used > 0
        assert await second.used_tokens() > used
