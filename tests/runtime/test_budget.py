"""Money: reserved before the model is asked, settled by what it used, and refused when there is none left."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from runtime.keys import TOKEN, key, put
from runtime.support import (
    Reply,
    Running,
    call,
    calls,
    config,
    delta,
    lines,
    played,
    refuses,
    running,
    says,
    stream,
    until,
)
from smarter_crds.limits import Budget
from smarter_crds.price_config import PriceConfig
from smarter_crds.runtime_config import ModelConfig
from smarter_runtime.embedded import FILE_NAME
from smarter_runtime.events import Message, Usage
from smarter_runtime.limits import money
from smarter_runtime.limits.purse import month_counter
from smarter_runtime.models import ModelRequest, Parameters

# A dollar per thousand tokens read, two for a thousand written: one answer of the script costs 0.02.
PRICE = PriceConfig(input=Decimal(1000), output=Decimal(2000), cached_input=Decimal(100))
PRICED = {"prices": {"gpt": (PRICE,)}}
MODEL = ModelConfig(provider="main", name="gpt", max_tokens=10)
NANO = 10**9


def budget(amount: str) -> Budget:
    return Budget(amount=amount, currency="USD", period="Month")


async def spent(bot: Running, account: str = "bot/uid-of-support") -> Decimal:
    await bot.services.limits.flush()
    counter = month_counter(account, bot.services.clock())
    return Decimal((await bot.services.limits.ledger().used([counter]))[0]) / NANO


async def test_an_answer_is_paid_for_by_what_the_provider_counted(tmp_path: Path) -> None:
    async with played(tmp_path, says("a"), provider=PRICED, model=MODEL, budget=budget("5")) as (bot, _):
        assert (await bot.chat("hi")).status == 200
        assert await spent(bot) == Decimal("0.02")
        assert 'smarter_cost_usd_total{model="gpt"} 0.02' in await bot.metrics()


async def test_when_the_budget_does_not_cover_another_answer_no_model_is_asked(tmp_path: Path) -> None:
    async with played(tmp_path, provider=PRICED, model=MODEL, budget=budget("0.05")) as (bot, provider):
        refused = await bot.chat("hi")
        said = (await refused.json())["error"]
        assert (refused.status, said["code"], refused.headers["x-should-retry"]) == (402, "budget_exceeded", "false")
        assert said["message"] == (
            "What is left of this chatbot's budget of 0.05 USD for the month does not cover another answer. There is "
            "a new one when the month is over in UTC."
        )
        assert provider.bodies == []
        assert await spent(bot) == 0
        assert 'smarter_limit_hits_total{limit="budget",mode="Enforce"} 1.0' in await bot.metrics()


async def test_a_month_in_utc_has_a_budget_of_its_own(tmp_path: Path) -> None:
    now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    replies = [says("a"), says("b")]
    async with played(tmp_path, *replies, provider=PRICED, model=MODEL, budget=budget("0.09")) as (bot, _):
        bot.services.limits.clock = lambda: now
        assert [(await bot.chat("hi")).status for _ in range(2)] == [200, 402]
        now = datetime(2027, 1, 1, tzinfo=UTC)
        assert (await bot.chat("hi")).status == 200


async def test_a_hundred_racers_on_the_last_cent_ask_the_model_once(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def slow(request: object) -> object:
        await release.wait()
        return await says("a")(request)  # type: ignore[arg-type]

    async with played(tmp_path, slow, provider=PRICED, model=MODEL, budget=budget("0.12")) as (bot, provider):  # type: ignore[arg-type]
        racing = [asyncio.create_task(bot.chat("hi")) for _ in range(100)]
        await until(lambda: sum(each.done() for each in racing) >= 99)
        release.set()
        assert sorted([(await each).status for each in racing]) == [200] + [402] * 99
        assert len(provider.bodies) == 1
        assert await spent(bot) == Decimal("0.02")


async def test_a_round_that_was_refused_by_the_provider_costs_nothing(tmp_path: Path) -> None:
    async with played(tmp_path, refuses(401), provider=PRICED, model=MODEL, budget=budget("5")) as (bot, _):
        assert (await bot.chat("hi")).status == 502
        assert await spent(bot) == 0


async def test_every_round_of_an_answer_is_paid_for(tmp_path: Path) -> None:
    unknown = calls(call("{}", id_="call_1", name="returns-policy"))
    async with played(tmp_path, unknown, says("a"), provider=PRICED, model=MODEL, budget=budget("5")) as (
        bot,
        provider,
    ):
        await bot.chat("hi")
        assert await spent(bot) == len(provider.bodies) * Decimal("0.02")


def endless(begun: asyncio.Event) -> Reply:
    """Return a reply that sends all but its last chunk, with the usage in it, and waits."""
    pieces = lines(delta(role="assistant", content=""), delta(content="word " * 40), delta("stop"), done=False)

    async def reply(request: object) -> object:
        response = await stream(pieces)(request)  # type: ignore[arg-type]
        begun.set()
        await asyncio.sleep(3600)
        return response

    return reply  # type: ignore[return-value]


async def test_who_leaves_before_the_last_chunk_pays_what_was_written(tmp_path: Path) -> None:
    begun = asyncio.Event()
    async with played(tmp_path, endless(begun), provider=PRICED, model=MODEL, budget=budget("5")) as (bot, _):
        headers = {"Authorization": f"Bearer {bot.token}"}
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
        async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as response:
            await response.content.readany()
            await begun.wait()

        async def is_settled() -> bool:
            return not bot.services.places.taken

        await until(is_settled)
        # 200 characters are 50 tokens; what was read is little.
        assert Decimal("0.1") <= await spent(bot) < Decimal("0.2")


async def test_a_key_spends_its_own_budget_beside_that_of_the_bot(tmp_path: Path) -> None:
    put(tmp_path, key(budget=budget("0.09")))
    replies = [says("a"), says("b")]
    async with played(tmp_path, *replies, provider=PRICED, model=MODEL, budget=budget("5")) as (bot, _):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        with_key = {"Authorization": f"Bearer {TOKEN}"}
        assert (await bot.post(body, **with_key)).status == 200
        refused = await bot.post(body, **with_key)
        assert refused.status == 402
        assert "this API key's budget of 0.09 USD" in (await refused.json())["error"]["message"]
        assert (await bot.post(body)).status == 200
        assert await spent(bot) == Decimal("0.04")
        assert await spent(bot, f"key/{key().uid}") == Decimal("0.02")


async def test_a_key_with_a_budget_opens_no_bot_whose_price_nobody_knows(tmp_path: Path) -> None:
    put(tmp_path, key(budget=budget("5")))
    async with played(tmp_path, says("a")) as (bot, provider):
        body = {"messages": [{"role": "user", "content": "hi"}]}
        refused = await bot.post(body, Authorization=f"Bearer {TOKEN}")
        assert (refused.status, (await refused.json())["error"]["code"]) == (402, "budget_exceeded")
        assert provider.bodies == []
        assert (await bot.post(body)).status == 200


async def test_the_demo_costs_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, config(budget=budget("0.01"))) as bot:
        assert [(await bot.chat("hi")).status for _ in range(3)] == [200] * 3
        assert await spent(bot) == 0


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(Usage(0, 0), "0", id="nothing"),
        pytest.param(Usage(1_000_000, 0), "10", id="read"),
        pytest.param(Usage(1_000_000, 0, 600_000), "4.6", id="partly-cached"),
        pytest.param(Usage(100, 0, 500), "0.0001", id="more-cached-than-read"),
        pytest.param(Usage(0, 1_000_000), "30", id="written"),
        pytest.param(Usage(2_000_000, 1_000_000), "100", id="a-higher-price-for-long-rounds"),
        pytest.param(Usage(1_999_999, 1_000_000), "49.99999", id="just-not"),
    ],
)
def test_a_round_costs_what_its_prices_say(usage: Usage, expected: str) -> None:
    prices = (
        PriceConfig(input=Decimal(10), output=Decimal(30), cached_input=Decimal(1)),
        PriceConfig(from_tokens=2_000_000, input=Decimal(20), output=Decimal(60), cached_input=Decimal(2)),
    )
    assert money.cost(usage, prices) == Decimal(expected)


@pytest.mark.parametrize("text", ["word " * 4000, "退货政策" * 2000, "Straße " * 3000, "{}[],:" * 2000])
def test_what_is_reserved_for_reading_is_never_less_than_what_is_estimated(text: str) -> None:
    request = ModelRequest(messages=(Message("user", text),), offers=(), parameters=Parameters(model="gpt"))
    price = (PriceConfig(input=Decimal(1), output=Decimal(0), cached_input=Decimal(0)),)
    assert money.most(request, price) * 1_000_000 > len(text) / 4


def test_an_amount_is_rounded_up_to_a_billionth() -> None:
    assert [money.nano(Decimal(text)) for text in ("0", "0.0000000001", "50.00")] == [0, 1, 50 * NANO]


async def test_money_is_noted_as_spent_before_the_model_is_asked(tmp_path: Path) -> None:
    noted: list[int] = []

    async def looks(request: web.Request) -> web.StreamResponse:
        with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as db:
            noted.extend(amount for (amount,) in db.execute("select amount from counters where key like 'usd:%'"))
        return await says("a")(request)

    async with played(tmp_path, looks, provider=PRICED, model=MODEL, budget=budget("5")) as (bot, _):
        assert (await bot.chat("hi")).status == 200
        assert [amount > 0.02 * NANO for amount in noted] == [True]
        assert await spent(bot) == Decimal("0.02")
    async with running(tmp_path, config(model=MODEL, budget=budget("5"))) as bot:
        assert await spent(bot) == Decimal("0.02")
