"""Conversations in the embedded store."""

import sqlite3
from collections.abc import Sequence
from typing import TypeVar

from smarter_runtime.conversations import (
    ConversationBusy,
    ConversationsUnavailable,
    Head,
    Memory,
    Opened,
    Question,
    Turn,
    UnknownConversation,
    first_turn,
    next_turn,
    title_of,
)
from smarter_runtime.conversations.memory import packed, unpacked
from smarter_runtime.embedded import Embedded, Work

SCHEMA = """
create table conversations (
    id text primary key, owner text not null, title text not null, created_ms integer not null,
    updated_ms integer not null, turns integer not null, memory text not null, open_answer text not null,
    open_until_ms integer not null
) strict, without rowid;
create index conversations_of_owner on conversations (owner, updated_ms desc, id desc);
create index conversations_by_age on conversations (updated_ms);
create table turns (
    conversation text not null references conversations on delete cascade, number integer not null,
    question text not null, asked_ms integer not null, answer_id text not null, answer text not null,
    state text not null, answered_ms integer not null,
    primary key (conversation, number)
) strict
"""

AT_START = "update conversations set open_answer = '', open_until_ms = 0 where open_answer <> ''"
"""Gives up every open turn: nobody of an earlier process works on one any more."""

_HEAD = "select id, title, created_ms, updated_ms, turns, open_until_ms from conversations"
_TURN = "select number, question, asked_ms, answer_id, answer, state, answered_ms from turns"

T = TypeVar("T")


class SqliteConversations:
    """The one bot of a pod has the file for itself."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded

    async def create(self, id_: str, question: Question) -> Opened:
        turn = first_turn(question)

        def work(db: sqlite3.Connection) -> Opened:
            db.execute(
                "insert into conversations values (?, ?, ?, ?, ?, 1, '', ?, ?)",
                (id_, question.owner, title_of(question.text), question.now_ms, question.now_ms, question.answer_id,
                 question.until_ms),
            )  # fmt: skip
            _put(db, id_, turn)
            return Opened(id_, turn.number, (), Memory())

        return await self._run(work)

    async def open(self, id_: str, question: Question) -> Opened:
        def work(db: sqlite3.Connection) -> Opened:
            row = db.execute(
                "select turns, memory, open_answer, open_until_ms from conversations where id = ? and owner = ?",
                (id_, question.owner),
            ).fetchone()
            if row is None:
                raise UnknownConversation
            count, memory, open_answer, open_until_ms = row
            if open_answer and open_until_ms > question.now_ms:
                raise ConversationBusy
            (last,) = _turns(db, f"{_TURN} where conversation = ? and number = ?", id_, count)
            turn = next_turn(last, question)
            _put(db, id_, turn)
            db.execute(
                "update conversations set turns = ?, updated_ms = ?, open_answer = ?, open_until_ms = ? where id = ?",
                (turn.number, question.now_ms, question.answer_id, question.until_ms, id_),
            )
            kept = unpacked(memory)
            read = f"{_TURN} where conversation = ? and number >= ? and number < ? order by number"
            turns = _turns(db, read, id_, kept.kept_from, turn.number)
            return Opened(id_, turn.number, tuple(each for each in turns if each.is_answered), kept)

        return await self._run(work)

    async def close(self, id_: str, turn: Turn, memory: Memory | None) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            found = db.execute(
                "update conversations set open_answer = '', updated_ms = ?, memory = coalesce(?, memory) "
                "where id = ? and open_answer = ?",
                (turn.answered_ms, packed(memory) if memory else None, id_, turn.answer_id),
            )
            if found.rowcount:
                _put(db, id_, turn)
            return bool(found.rowcount)

        return await self._run(work)

    async def extend(self, id_: str, answer_id: str, until_ms: int) -> bool:
        query = "update conversations set open_until_ms = ? where id = ? and open_answer = ?"
        return await self._run(lambda db: bool(db.execute(query, (until_ms, id_, answer_id)).rowcount))

    async def heads(self, owner: str, at_most: int, before: tuple[int, str] | None = None) -> Sequence[Head]:
        def work(db: sqlite3.Connection) -> list[Head]:
            after = "and (updated_ms, id) < (?, ?)" if before else ""
            rows = db.execute(
                f"{_HEAD} where owner = ? {after} order by updated_ms desc, id desc limit ?",
                (owner, *(before or ()), at_most),
            )
            return [_head(row) for row in rows]

        return await self._run(work)

    async def read(self, owner: str, id_: str, at_most: int, before: int) -> tuple[Head, Sequence[Turn]] | None:
        def work(db: sqlite3.Connection) -> tuple[Head, Sequence[Turn]] | None:
            row = db.execute(f"{_HEAD} where id = ? and owner = ?", (id_, owner)).fetchone()
            if row is None:
                return None
            last = f"{_TURN} where conversation = ? and number < ? order by number desc limit ?"
            return _head(row), _turns(db, last, id_, before, at_most)[::-1]

        return await self._run(work)

    async def erase(self, owner: str, id_: str) -> bool:
        query = "delete from conversations where id = ? and owner = ?"
        return await self._run(lambda db: bool(db.execute(query, (id_, owner)).rowcount))

    async def erase_all(self, owner: str) -> int:
        return await self._run(lambda db: db.execute("delete from conversations where owner = ?", (owner,)).rowcount)

    async def expire(self, before_ms: int, at_most: int) -> int:
        oldest = "select id from conversations where updated_ms < ? order by updated_ms limit ?"
        query = f"delete from conversations where id in ({oldest})"
        return await self._run(lambda db: db.execute(query, (before_ms, at_most)).rowcount)

    async def sweep(self, days: int, now_ms: int, at_most: int) -> int:
        # The file goes with the pod, and holds those of one bot only.
        return 0

    async def count(self) -> int:
        return await self._run(lambda db: int(db.execute("select count(*) from conversations").fetchone()[0]))

    async def _run(self, work: Work[T]) -> T:
        try:
            return await self._embedded.run(work)
        except sqlite3.Error as error:
            raise ConversationsUnavailable(f"The embedded store: {error}") from error


def _put(db: sqlite3.Connection, id_: str, turn: Turn) -> None:
    db.execute(
        "insert or replace into turns values (?, ?, ?, ?, ?, ?, ?, ?)",
        (id_, turn.number, turn.question, turn.asked_ms, turn.answer_id, turn.answer, turn.state, turn.answered_ms),
    )


def _turns(db: sqlite3.Connection, query: str, *parameters: object) -> list[Turn]:
    return [
        Turn(
            number=number,
            question=question,
            asked_ms=asked_ms,
            answer_id=answer_id,
            answer=answer,
            state=state,
            answered_ms=answered_ms,
        )
        for number, question, asked_ms, answer_id, answer, state, answered_ms in db.execute(query, parameters)
    ]


def _head(row: tuple[str, str, int, int, int, int]) -> Head:
    id_, title, created_ms, updated_ms, turns, open_until_ms = row
    return Head(
        id=id_, title=title, created_ms=created_ms, updated_ms=updated_ms, turns=turns, open_until_ms=open_until_ms
    )
