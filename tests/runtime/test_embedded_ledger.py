"""The ledger of a bot without a Store: it counts like the others, and what it has counted outlives the process."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from runtime.support import NOW, config, running
from smarter_crds.runtime_config import LimitsConfig
from smarter_runtime.embedded import Embedded
from smarter_runtime.keeping import SCHEMA
from smarter_runtime.limits.embedded_ledger import EmbeddedLedger
from smarter_runtime.limits.ledger import Account, Charge
from support.ledger_suite import LATER, NOON, LedgerSuite, admitted, rate


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    opened = Embedded(tmp_path, SCHEMA)
    yield opened
    await opened.close()


class TestEmbeddedLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self, embedded: Embedded) -> EmbeddedLedger:
        return EmbeddedLedger(embedded)


async def test_counters_go_on_in_the_next_process_until_their_period_is_over(embedded: Embedded) -> None:
    first = EmbeddedLedger(embedded)
    await first.charge([Charge("tokens", 5, LATER), Charge("tokens", 2, LATER), Charge("over", 1, NOON)])
    assert await first.reserve([Account("usd", 100, LATER)], 60) is None
    await first.charge([Charge("usd", -20, LATER)])
    second = EmbeddedLedger(embedded)
    await second.recall(NOON)
    assert await second.used(["tokens", "usd", "over"]) == [7, 40, 0]
    assert await second.reserve([Account("usd", 100, LATER)], 61) == 0
    await second.charge([Charge("tokens", 1, LATER)])
    await second.recall(NOON)
    assert await second.used(["tokens"]) == [8]


async def test_what_is_over_leaves_the_file_as_well(embedded: Embedded) -> None:
    ledger = EmbeddedLedger(embedded)
    await ledger.charge([Charge("today", 1, LATER), Charge("yesterday", 1, NOON)])
    await admitted(ledger, rate(5), at=NOON)
    assert await embedded.run(lambda db: db.execute("select key from counters").fetchall()) == [("today",)]


async def test_a_broken_file_stops_no_counting(embedded: Embedded) -> None:
    ledger = EmbeddedLedger(embedded)
    await embedded.run(lambda db: db.execute("drop table counters").fetchall())
    await ledger.recall(NOON)
    await ledger.charge([Charge("tokens", 5, LATER)])
    assert await ledger.reserve([Account("usd", 100, LATER)], 60) is None
    assert await ledger.used(["tokens", "usd"]) == [5, 60]


async def test_the_tokens_of_a_day_are_used_up_after_a_restart_as_well_and_not_on_the_next_day(tmp_path: Path) -> None:
    now, document = NOW, config(limits=LimitsConfig(tokens_per_day=10))

    def clock() -> datetime:
        return now

    async with running(tmp_path, document, clock) as bot:
        assert (await bot.chat("hello")).status == 200
        used = await bot.used_tokens()
    async with running(tmp_path, document, clock) as bot:
        assert await bot.used_tokens() == used > 10
        assert (await bot.chat("hello")).status == 429
    now += timedelta(days=1)
    async with running(tmp_path, document, clock) as bot:
        assert await bot.used_tokens() == 0
        assert (await bot.chat("hello")).status == 200


async def test_what_was_used_is_kept_before_the_record_of_its_answer(embedded: Embedded) -> None:
    ledger = EmbeddedLedger(embedded)
    ledger.add([Charge("tokens", 5, LATER)])
    # The next work that anybody waits for finds it.
    assert await embedded.run(lambda db: db.execute("select key, amount from counters").fetchall()) == [("tokens", 5)]
