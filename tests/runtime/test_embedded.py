"""The store within the pod: what it survives, and that nobody waits for it."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from smarter_runtime.conversations import Conversations, ConversationsUnavailable
from smarter_runtime.conversations.sqlite import SqliteConversations
from smarter_runtime.embedded import FILE_NAME, Embedded, Work
from smarter_runtime.keeping import SCHEMA
from smarter_runtime.usage import UsageStore, UsageUnavailable
from smarter_runtime.usage.sqlite import SqliteUsage
from support.conversation_suite import ConversationSuite, question
from support.usage_suite import UsageSuite, final

NOTES = ("create table notes (text text)",)


class TestSqliteConversations(ConversationSuite):
    @pytest.fixture
    def store(self, embedded: Embedded) -> Conversations:
        return SqliteConversations(embedded)


class TestSqliteUsage(UsageSuite):
    @pytest.fixture
    def store(self, embedded: Embedded) -> UsageStore:
        return SqliteUsage(embedded)


@pytest_asyncio.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    opened = Embedded(tmp_path, SCHEMA)
    yield opened
    await opened.close()


def add(text: str) -> Work[str]:
    def work(db: sqlite3.Connection) -> str:
        db.execute("insert into notes values (?)", (text,))
        return text

    return work


def notes(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("select text from notes order by rowid")]


def refuse(db: sqlite3.Connection) -> None:
    db.execute("insert into notes values ('half')")
    raise ValueError("no")


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Embedded(tmp_path / "new" / "folder", NOTES)
    await asyncio.gather(first.run(add("a")), first.run(add("b")))
    await first.close()
    second = Embedded(tmp_path / "new" / "folder", NOTES)
    assert await second.run(notes) == ["a", "b"]
    assert second.problems == ()
    await second.close()


async def test_what_was_asked_for_before_the_end_is_done(tmp_path: Path) -> None:
    first = Embedded(tmp_path, NOTES)
    for number in range(1000):
        first.submit(add(str(number)))
    await first.close()
    with pytest.raises(sqlite3.ProgrammingError):
        first.submit(add("too late"))
    second = Embedded(tmp_path, NOTES)
    assert await second.run(notes) == [str(number) for number in range(1000)]
    await second.close()


async def test_work_that_fails_changes_nothing_and_harms_nobody_beside_it(tmp_path: Path) -> None:
    store = Embedded(tmp_path, NOTES)
    outcomes = await asyncio.gather(store.run(add("a")), store.run(refuse), store.run(add("b")), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["a", "no", "b"]
    assert await store.run(notes) == ["a", "b"]
    await store.close()


async def test_the_loop_goes_on_while_the_disk_is_slow(tmp_path: Path) -> None:
    store, gate = Embedded(tmp_path, NOTES), threading.Event()
    slow = store.submit(lambda db: gate.wait(30))
    after = store.submit(add("a"))
    await asyncio.sleep(0)
    assert not slow.done()
    gate.set()
    assert (await slow, await after) == (True, "a")
    await store.close()


async def test_a_newer_program_adds_to_the_schema_and_keeps_what_is_there(tmp_path: Path) -> None:
    old = Embedded(tmp_path, NOTES)
    await old.run(add("a"))
    await old.close()
    new = Embedded(tmp_path, (*NOTES, "alter table notes add column mood text not null default 'good'"))
    assert await new.run(lambda db: db.execute("select * from notes").fetchall()) == [("a", "good")]
    await new.close()


async def test_a_folder_that_cannot_be_written_to_is_a_problem_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Embedded(tmp_path / "file", NOTES)
    await store.run(add("a"))
    assert await store.run(notes) == ["a"]
    (problem,) = store.problems
    assert problem.reason == "StoreNotKept"
    assert str(tmp_path / "file") in problem.message
    await store.close()


async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 1000)
    store = Embedded(tmp_path, NOTES)
    await store.run(add("a"))
    assert [problem.reason for problem in store.problems] == ["StoreDamaged"]
    assert (tmp_path / FILE_NAME).with_suffix(".broken").read_bytes().startswith(b"not a database")
    await store.close()
    again = Embedded(tmp_path, NOTES)
    assert (await again.run(notes), again.problems) == (["a"], ())
    await again.close()


async def test_what_is_erased_is_not_left_in_the_file(tmp_path: Path) -> None:
    store = Embedded(tmp_path, SCHEMA)
    conversations = SqliteConversations(store)
    await conversations.create("c", question("a-very-private-question"))
    await store.run(lambda db: None)
    assert await conversations.erase("owner-ann", "c")
    await store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"CREATE TABLE conversations" in left
    assert b"a-very-private-question" not in left


async def test_a_full_disk_is_told_and_gets_over(embedded: Embedded) -> None:
    conversations, usage = SqliteConversations(embedded), SqliteUsage(embedded)
    await conversations.create("c", question())

    def pages(db: sqlite3.Connection) -> int:
        return int(db.execute("pragma page_count").fetchone()[0])

    def limit(count: int) -> Work[object]:
        return lambda db: db.execute(f"pragma max_page_count = {count}").fetchone()

    await embedded.run(limit(await embedded.run(pages)))
    with pytest.raises(ConversationsUnavailable, match="full"):
        await conversations.create("d", question("x" * 100_000))
    with pytest.raises(UsageUnavailable, match="full"):
        await usage.put([final("a", "x" * 100_000)])
    await embedded.run(limit(1_000_000))
    await usage.put([final("a", "x" * 100_000)])
    assert await conversations.heads("owner-ann", 10)


async def test_patient_work_waits_for_company_and_keeps_its_place(tmp_path: Path) -> None:
    store = Embedded(tmp_path, NOTES)
    patient = store.submit(add("a"), patience=60.0)
    assert await store.run(notes) == ["a"]
    assert patient.done()
    await store.close()


@pytest.mark.parametrize("how", ["hasten", "close", "wait"])
async def test_patient_work_without_company_is_done_all_the_same(tmp_path: Path, how: str) -> None:
    store = Embedded(tmp_path, NOTES)
    patient = store.submit(add("a"), patience=0.01 if how == "wait" else 60.0)
    if how == "hasten":
        store.hasten()
    elif how == "close":
        await store.close()
    assert await asyncio.wait_for(patient, 10) == "a"
    await store.close()
