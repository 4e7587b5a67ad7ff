"""Usage records on their way to whoever accounts for them: noted when an answer begins, closed when it ends.

What is noted first is what holds if nothing more comes: a record that says `Lost`. So every answer has one, also when
the process dies in the middle of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smarter_crds.usage import UsageRecord


class UsageUnavailable(Exception):
    """The store cannot be reached, or cannot do its work. The message says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it is written."""

    id: str
    record: str
    """JSON of the `UsageRecord`."""
    until_ms: int = 0
    """While the answer is being made: when it is given up. 0: the record is final."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A final record, and its place in the order of reading."""

    number: int
    record: str


class UsageStore(Protocol):
    """A store of one bot's records. An id is there once, and a final record never changes.

    Every method may raise `UsageUnavailable`.
    """

    async def put(self, entries: Sequence[Entry]) -> None: ...

    async def unacknowledged(self, after: int, at_most: int) -> Sequence[Numbered]:
        """Return final records with numbers above `after`, in their order."""

    async def acknowledge(self, ids: Sequence[str], now_ms: int) -> int:
        """Note that these records have arrived where they are wanted; returns how many had not been before."""

    async def give_up(self, now_ms: int) -> int:
        """Make records final whose answers nobody works on any more; returns how many."""

    async def trim(self, before_ms: int, at_most: int) -> int:
        """Forget records that were acknowledged before `before_ms`, and no others; returns how many."""


def entry(record: UsageRecord, until_ms: int = 0) -> Entry:
    return Entry(record.id, record.model_dump_json(by_alias=True), until_ms)
