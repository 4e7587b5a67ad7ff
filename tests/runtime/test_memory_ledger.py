import pytest

from smarter_runtime.limits.ledger import WINDOW_MS, Charge
from smarter_runtime.limits.memory_ledger import MemoryLedger
from support.ledger_suite import NOON, LedgerSuite, admitted, lease, rate, slot


class TestMemoryLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self) -> MemoryLedger:
        return MemoryLedger()


async def test_who_came_once_is_forgotten() -> None:
    ledger = MemoryLedger()
    for number in range(1000):
        await admitted(ledger, rate(5, f"net-{number}"), slot(5, f"client-{number}"), held=lease("", NOON + 1000))
    await ledger.charge([Charge("tokens:yesterday", 5, NOON + 1)])
    await admitted(ledger, rate(5), at=NOON + 3 * WINDOW_MS)
    held = (ledger._rates, ledger._slots, ledger._counters, ledger._until)
    assert [len(each) for each in held] == [1, 0, 0, 0]
    assert ledger.counters(["tokens:yesterday"]) == []
