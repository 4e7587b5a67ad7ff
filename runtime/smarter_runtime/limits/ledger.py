"""What every ledger can do: the one in memory, and those in Stores. A ledger counts and knows no policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

WINDOW_MS = 60_000

Kind = Literal["Rate", "Slot", "Quota"]
"""`Rate`: requests in the last minute. `Slot`: answers under way. `Quota`: what a counter has reached."""


@dataclass(frozen=True, slots=True)
class Line:
    """One limit of one account."""

    kind: Kind
    limit: int
    key: str
    """The account, unique among all that share the ledger; for a `Quota` the counter."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What holds the slots of one answer; it ends by itself, for a process may die."""

    id: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that is full."""

    line: int
    """Its index."""
    retry_ms: int
    """When, counted from now, it has room again, if nobody else takes it; 0: not known."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What is added to a counter, which is forgotten some time after its period."""

    key: str
    amount: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Account:
    """A counter that may reach `limit` and no more."""

    key: str
    limit: int
    until_ms: int


class Ledger(Protocol):
    """Counts; every call is whole or not at all, also beside calls of other processes.

    Every method may raise `StoreUnavailable`. Times are the caller's, in milliseconds since 1970.
    """

    async def admit(self, lines: Sequence[Line], lease: Lease, now_ms: int, *, enforce: bool) -> Sequence[Hit]:
        """Count one request against all lines, unless one is full and they are enforced. Returns the full ones."""
        ...

    async def release(self, lines: Sequence[Line], lease: Lease) -> None:
        """Free the slots of a lease."""
        ...

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        """Add `amount` to all accounts if all have room for it. Returns the index of the first that has none."""
        ...

    async def charge(self, charges: Sequence[Charge]) -> None:
        """Add to counters, whatever their limits; a negative amount gives back."""
        ...

    async def used(self, keys: Sequence[str]) -> Sequence[int]:
        """Return what counters have reached."""
        ...


def is_full(limit: int, before: int, current: int, now_ms: int) -> bool:
    """Tell whether a rate has no room: the window before counts as far as it lies within the last minute."""
    return before * (WINDOW_MS - now_ms % WINDOW_MS) // WINDOW_MS + current + 1 > limit


def wait_ms(limit: int, before: int, current: int, now_ms: int) -> int:
    """Return how long a full rate stays full, if nothing else comes."""
    elapsed = now_ms % WINDOW_MS
    if current + 1 <= limit:
        return max(1, _room_at(limit - current, before) - elapsed)
    return WINDOW_MS - elapsed + _room_at(limit, current)


def _room_at(room: int, before: int) -> int:
    """Return how many milliseconds of a window must be over until the one before counts less than `room`."""
    # The product is rounded down: below `room` is enough.
    return max(0, WINDOW_MS - (room * WINDOW_MS - 1) // before) if before else 0
