"""What every ledger must do, whichever it is."""

import asyncio
import itertools

import pytest

from smarter_runtime.limits.ledger import WINDOW_MS, Account, Charge, Hit, Kind, Lease, Ledger, Line

NOON = 1_800_000_000_000 - 1_800_000_000_000 % WINDOW_MS
"""The beginning of a window."""
LATER = NOON + 100 * WINDOW_MS

_numbers = itertools.count()


def lease(name: str = "", until_ms: int = LATER) -> Lease:
    return Lease(name or f"lease-{next(_numbers)}", until_ms)


def rate(limit: int, key: str = "bot") -> Line:
    return Line("Rate", limit, key)


def slot(limit: int, key: str = "client") -> Line:
    return Line("Slot", limit, key)


async def admitted(ledger: Ledger, *lines: Line, at: int = NOON, held: Lease | None = None) -> bool:
    return not await ledger.admit(lines, held or lease(), at, enforce=True)


class LedgerSuite:
    """Inherited by a test class whose fixture `ledger` gives an empty one."""

    async def test_a_rate_lets_so_many_through_and_says_when_the_next_may_come(self, ledger: Ledger) -> None:
        assert [await admitted(ledger, rate(3), at=NOON + number) for number in range(5)] == [True] * 3 + [False] * 2
        (hit,) = await ledger.admit([rate(3)], lease(), NOON + 10_000, enforce=True)
        assert hit.line == 0
        assert not await admitted(ledger, rate(3), at=NOON + 10_000 + hit.retry_ms - 1)
        assert await admitted(ledger, rate(3), at=NOON + 10_000 + hit.retry_ms)

    async def test_the_minute_before_counts_as_far_as_it_lies_within_the_last_minute(self, ledger: Ledger) -> None:
        for number in range(60):
            assert await admitted(ledger, rate(60), at=NOON + WINDOW_MS - 1000 + number)
        half = NOON + WINDOW_MS + WINDOW_MS // 2
        through = [await admitted(ledger, rate(60), at=half) for _ in range(60)]
        assert sum(through) == 30

    async def test_what_is_refused_is_not_counted(self, ledger: Ledger) -> None:
        both = (rate(10, "wide"), rate(1, "narrow"))
        assert [await admitted(ledger, *both) for _ in range(5)] == [True] + [False] * 4
        assert [await admitted(ledger, rate(10, "wide")) for _ in range(10)] == [True] * 9 + [False]

    async def test_without_enforcement_everything_is_counted_and_told(self, ledger: Ledger) -> None:
        lines = (rate(1), slot(1))
        assert await ledger.admit(lines, lease("a"), NOON, enforce=False) == []
        hits = await ledger.admit(lines, lease("b"), NOON, enforce=False)
        assert [hit.line for hit in hits] == [0, 1]
        assert not await admitted(ledger, rate(2)), "both were counted"
        assert not await admitted(ledger, slot(2))

    async def test_slots_are_free_again_when_they_are_released(self, ledger: Ledger) -> None:
        first, second = lease("one"), lease("two")
        assert await admitted(ledger, slot(2), held=first)
        assert await admitted(ledger, slot(2), held=second)
        assert await ledger.admit([slot(2)], lease(), NOON, enforce=True) == [Hit(0, 1000)]
        await ledger.release([slot(2), rate(1)], first)
        await ledger.release([slot(2)], lease("of nobody"))
        assert await admitted(ledger, slot(2))
        assert not await admitted(ledger, slot(2))

    async def test_slots_of_a_process_that_died_are_free_when_their_time_is_over(self, ledger: Ledger) -> None:
        assert await admitted(ledger, slot(1), held=lease("dead", NOON + 5000))
        assert not await admitted(ledger, slot(1), at=NOON + 4999)
        assert await admitted(ledger, slot(1), at=NOON + 5000)

    @pytest.mark.parametrize("kind", ["Rate", "Slot"])
    async def test_a_hundred_at_once_get_as_much_as_there_is(self, ledger: Ledger, kind: Kind) -> None:
        lines = (Line(kind, 10, "narrow"), Line("Rate", 1000, "wide"))
        through = await asyncio.gather(*(admitted(ledger, *lines) for _ in range(100)))
        assert sum(through) == 10
        assert not await admitted(ledger, Line("Rate", 10, "wide")), "exactly ten were counted"
        assert await admitted(ledger, Line("Rate", 11, "wide"))

    async def test_a_quota_is_met_when_its_counter_has_reached_it(self, ledger: Ledger) -> None:
        quota = Line("Quota", 100, "tokens")
        assert await admitted(ledger, quota)
        await ledger.charge([Charge("tokens", 99, LATER)])
        assert await admitted(ledger, quota)
        await ledger.charge([Charge("tokens", 1, LATER), Charge("others", 5, LATER)])
        assert await ledger.admit([quota], lease(), NOON, enforce=True) == [Hit(0, 0)]
        assert await ledger.used(["tokens", "nothing", "others"]) == [100, 0, 5]

    async def test_a_hundred_racers_on_the_last_cent_spend_it_once(self, ledger: Ledger) -> None:
        await ledger.charge([Charge("month", 990, LATER)])
        accounts = [Account("key", 1_000_000, LATER), Account("month", 1000, LATER)]
        results = await asyncio.gather(*(ledger.reserve(accounts, 10) for _ in range(100)))
        assert sorted(results, key=str) == [1] * 99 + [None]
        assert await ledger.used(["month", "key"]) == [1000, 10]

    async def test_what_was_reserved_and_not_used_is_given_back(self, ledger: Ledger) -> None:
        account = Account("month", 1000, LATER)
        assert await ledger.reserve([account], 1000) is None
        assert await ledger.reserve([account], 1) == 0
        await ledger.charge([Charge("month", -400, LATER)])
        assert await ledger.reserve([account], 401) == 0
        assert await ledger.reserve([account], 400) is None

    async def test_amounts_of_millions_of_dollars_are_exact(self, ledger: Ledger) -> None:
        million = 1_000_000 * 10**9
        await ledger.charge([Charge("month", million - 1, LATER)])
        assert await ledger.reserve([Account("month", million, LATER)], 2) == 0
        assert await ledger.reserve([Account("month", million, LATER)], 1) is None
        assert await ledger.used(["month"]) == [million]

    async def test_the_same_account_may_be_named_twice(self, ledger: Ledger) -> None:
        twice = [Account("month", 10, LATER), Account("month", 10, LATER)]
        assert await ledger.reserve(twice, 4) is None
        await ledger.charge([Charge("month", 1, LATER), Charge("month", 1, LATER)])
        assert await ledger.used(["month"]) == [10]
