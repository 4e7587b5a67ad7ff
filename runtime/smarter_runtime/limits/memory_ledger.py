"""The ledger of a process that shares its counts with nobody."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from smarter_runtime.limits.ledger import WINDOW_MS, Account, Charge, Hit, Lease, Line, is_full, wait_ms

SLOT_RETRY_MS = 1000


class MemoryLedger:
    """Counts in dictionaries; what is over is forgotten."""

    def __init__(self) -> None:
        self._rates: dict[int, Counter[str]] = {}
        self._slots: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._counters: dict[str, int] = {}
        self._until: dict[str, int] = {}
        self._window = 0

    async def admit(self, lines: Sequence[Line], lease: Lease, now_ms: int, *, enforce: bool) -> Sequence[Hit]:
        self._forget(now_ms)
        hits = [hit for number, line in enumerate(lines) if (hit := self._hit(number, line, now_ms))]
        if hits and enforce:
            return hits
        current = self._rates.setdefault(now_ms // WINDOW_MS, Counter())
        for line in lines:
            if line.kind == "Rate":
                current[line.key] += 1
            elif line.kind == "Slot":
                self._slots[line.key][lease.id] = lease.until_ms
        return hits

    async def release(self, lines: Sequence[Line], lease: Lease) -> None:
        self.free(lines, lease)

    def free(self, lines: Iterable[Line], lease: Lease) -> None:
        for line in lines:
            held = self._slots.get(line.key)
            if line.kind == "Slot" and held is not None:
                held.pop(lease.id, None)
                if not held:
                    del self._slots[line.key]

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        for number, account in enumerate(accounts):
            if self._counters.get(account.key, 0) + amount > account.limit:
                return number
        self.add([Charge(account.key, amount, account.until_ms) for account in accounts])
        return None

    async def charge(self, charges: Sequence[Charge]) -> None:
        self.add(charges)

    def add(self, charges: Iterable[Charge]) -> None:
        for charge in charges:
            self._counters[charge.key] = self._counters.get(charge.key, 0) + charge.amount
            self._until[charge.key] = charge.until_ms

    async def used(self, keys: Sequence[str]) -> Sequence[int]:
        return [self._counters.get(key, 0) for key in keys]

    def counters(self, keys: Iterable[str]) -> list[Charge]:
        """Return what counters have reached, as what would bring empty ones there."""
        return [Charge(key, self._counters[key], self._until[key]) for key in keys if key in self._counters]

    def _hit(self, number: int, line: Line, now_ms: int) -> Hit | None:
        if line.kind == "Rate":
            window = now_ms // WINDOW_MS
            before, current = (self._rates.get(each, Counter())[line.key] for each in (window - 1, window))
            full = is_full(line.limit, before, current, now_ms)
            return Hit(number, wait_ms(line.limit, before, current, now_ms)) if full else None
        if line.kind == "Slot":
            held = self._slots.get(line.key, {})
            for lease in [each for each, until_ms in held.items() if until_ms <= now_ms]:
                del held[lease]
            return Hit(number, SLOT_RETRY_MS) if len(held) >= line.limit else None
        return Hit(number, 0) if self._counters.get(line.key, 0) >= line.limit else None

    def _forget(self, now_ms: int) -> None:
        """Once per window: whoever comes once would else be remembered for ever."""
        window = now_ms // WINDOW_MS
        if window == self._window:
            return
        self._window = window
        self._rates = {each: counts for each, counts in self._rates.items() if each >= window - 1}
        for key in [key for key, until_ms in self._until.items() if until_ms <= now_ms]:
            del self._counters[key], self._until[key]
        for key in [key for key, held in self._slots.items() if all(until <= now_ms for until in held.values())]:
            del self._slots[key]
