"""Usage records on their way from the pod to its Store: soon, in company, and again until they are there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from runtime.support import NOW
from smarter_crds.runtime_config import BotIdentity
from smarter_crds.usage import UsageRecord
from smarter_runtime.metrics import Metrics
from smarter_runtime.usage import Entry, Numbered, UsageStore, UsageUnavailable
from smarter_runtime.usage.forwarder import AGAIN_SECONDS, BATCH, Forwarder
from smarter_runtime.usage.recorder import GATHER_SECONDS, WAIT_SECONDS, Recorder
from smarter_runtime.usage.sqlite import SqliteUsage
from support.virtual_time import virtual_time


class Journal(SqliteUsage):
    """The embedded store without a file."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def submit(self, entries: Sequence[Entry]) -> asyncio.Future[None]:
        self.entries |= {each.id: each for each in entries}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def unsent(self, at_most: int) -> Sequence[Entry]:
        return list(self.entries.values())[:at_most]

    async def sent(self, entries: Sequence[Entry]) -> None:
        self.entries = {id_: each for id_, each in self.entries.items() if each not in entries}


class Store(UsageStore):
    """Takes records in so many seconds, or not at all while it is away."""

    def __init__(self, seconds: float = 0.0, *, is_away: bool = False) -> None:
        self.seconds, self.is_away = seconds, is_away
        self.puts: list[list[str]] = []

    async def put(self, entries: Sequence[Entry]) -> None:
        if self.is_away:
            raise UsageUnavailable("away")
        await asyncio.sleep(self.seconds)
        self.puts.append([each.id for each in entries])

    async def unacknowledged(self, after: int, at_most: int) -> Sequence[Numbered]:
        return []

    async def acknowledge(self, ids: Sequence[str], now_ms: int) -> int:
        return 0

    async def give_up(self, now_ms: int) -> int:
        return 0

    async def trim(self, before_ms: int, at_most: int) -> int:
        return 0


def record(id_: str) -> UsageRecord:
    return UsageRecord(id=id_, bot=BotIdentity(name="b", namespace="n", uid="u"), started_at=NOW)


def now() -> float:
    return asyncio.get_running_loop().time()


def way(store: Store | None) -> tuple[Journal, Forwarder, Recorder]:
    journal = Journal()
    forwarder = Forwarder(journal, lambda: store)
    return journal, forwarder, Recorder(journal, Metrics(), forwarder)


@asynccontextmanager
async def sending(forwarder: Forwarder) -> AsyncIterator[None]:
    task = asyncio.create_task(forwarder.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@virtual_time
async def test_an_answer_ends_when_its_record_is_in_the_store() -> None:
    store = Store(seconds=0.5)
    journal, _, recorder = way(store)
    await recorder.end(record("a"))
    assert (now(), store.puts, journal.entries) == (0.5, [["a"]], {})


@virtual_time
async def test_an_answer_does_not_wait_long_for_a_slow_store_and_its_record_arrives_all_the_same() -> None:
    store = Store(seconds=5)
    journal, _, recorder = way(store)
    await recorder.end(record("a"))
    assert (now(), store.puts, set(journal.entries)) == (WAIT_SECONDS, [], {"a"})
    await recorder.close()
    assert (now(), store.puts, journal.entries) == (5, [["a"]], {})


@virtual_time
async def test_while_the_store_is_away_answers_do_not_wait_and_their_records_are_sent_when_it_is_back() -> None:
    store = Store(is_away=True)
    journal, forwarder, recorder = way(store)
    async with sending(forwarder):
        for number in range(BATCH + 1):
            await recorder.end(record(f"a{number}"))
        assert (now(), len(journal.entries)) == (0, BATCH + 1)
        await asyncio.sleep(10 * AGAIN_SECONDS)
        store.is_away = False
        await asyncio.sleep(AGAIN_SECONDS)
        assert ([len(put) for put in store.puts], journal.entries) == ([BATCH, 1], {})


@virtual_time
async def test_the_beginning_of_an_answer_is_in_the_store_soon() -> None:
    store = Store()
    _, _, recorder = way(store)
    recorder.begin("a", lambda: record("a"), until_ms=5000)
    await asyncio.sleep(GATHER_SECONDS)
    await asyncio.sleep(0.01)
    assert store.puts == [["a"]]
    await recorder.end(record("a"))
    assert store.puts == [["a"], ["a"]]


@virtual_time
async def test_records_that_come_while_others_are_sent_go_together() -> None:
    store = Store(seconds=0.25)
    _, _, recorder = way(store)
    first = asyncio.create_task(recorder.end(record("first")))
    await asyncio.sleep(0.1)
    await asyncio.gather(*(recorder.end(record(f"a{number}")) for number in range(20)))
    assert (now(), first.done()) == (0.5, True)
    assert store.puts == [["first"], [f"a{number}" for number in range(20)]]


@virtual_time
async def test_without_a_store_records_stay_in_the_pod() -> None:
    journal, forwarder, recorder = way(None)
    async with sending(forwarder):
        await recorder.end(record("a"))
        await asyncio.sleep(10 * AGAIN_SECONDS)
    await recorder.close()
    assert set(journal.entries) == {"a"}
