"""Conversations in a PostgreSQL Store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from smarter_runtime.conversations import (
    DAY_MS,
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
from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections

if TYPE_CHECKING:
    import asyncpg

SCHEMA = (
    """
create table smarter_conversations (
    bot text not null, id text not null, owner text not null, title text not null, created_ms bigint not null,
    updated_ms bigint not null, turns integer not null, memory text not null, open_answer text not null,
    open_until_ms bigint not null,
    primary key (bot, id)
);
create index smarter_conversations_of_owner on smarter_conversations (bot, owner, updated_ms desc, id desc);
create index smarter_conversations_by_age on smarter_conversations (bot, updated_ms);
create table smarter_turns (
    bot text not null, conversation text not null, number integer not null, question text not null,
    asked_ms bigint not null, answer_id text not null, answer text not null, state text not null,
    answered_ms bigint not null,
    primary key (bot, conversation, number),
    foreign key (bot, conversation) references smarter_conversations on delete cascade
);
create table smarter_retention (bot text primary key, days integer not null);
""",
)
"""Of the part `conversations`; what is released is never changed, only added to."""

_HEAD = "select id, title, created_ms, updated_ms, turns, open_until_ms from smarter_conversations where bot = $1"
_TURN = (
    "select number, question, asked_ms, answer_id, answer, state, answered_ms from smarter_turns "
    "where bot = $1 and conversation = $2"
)
_CREATE = """
with noted as (insert into smarter_retention values ($1, $8) on conflict do nothing)
insert into smarter_conversations values ($1, $2, $3, $4, $5, $5, 1, '', $6, $7)
"""
_PUT = """
insert into smarter_turns values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (bot, conversation, number) do update set question = excluded.question, asked_ms = excluded.asked_ms,
    answer_id = excluded.answer_id, answer = excluded.answer, state = excluded.state, answered_ms = excluded.answered_ms
"""
_LEFT_BEHIND = """
delete from smarter_conversations where (bot, id) in (
    select bot, id from smarter_conversations join smarter_retention using (bot)
    where bot <> $1 and updated_ms < $2 - (days + 1) * $3::bigint limit $4
    for update of smarter_conversations skip locked
)
"""


class PostgreSqlConversations:
    """Those of one bot; others have theirs in the same tables."""

    def __init__(self, connections: StoreConnections, bot: str, days: int) -> None:
        """`days` is how long the bot keeps what was not used."""
        self._connections = connections
        self._bot = bot
        self._days = days

    async def create(self, id_: str, question: Question) -> Opened:
        turn = first_turn(question)
        async with self._transaction() as db:
            await db.execute(
                _CREATE,
                *(self._bot, id_, question.owner, _text(title_of(question.text)), question.now_ms, question.answer_id),
                *(question.until_ms, self._days),
            )
            await self._put(db, id_, turn)
        return Opened(id_, turn.number, (), Memory())

    async def open(self, id_: str, question: Question) -> Opened:
        async with self._transaction() as db:
            row = await db.fetchrow(
                "select turns, memory, open_answer, open_until_ms from smarter_conversations "
                "where bot = $1 and id = $2 and owner = $3 for update",
                *(self._bot, id_, question.owner),
            )
            if row is None:
                raise UnknownConversation
            if row["open_answer"] and row["open_until_ms"] > question.now_ms:
                raise ConversationBusy
            last = await db.fetchrow(f"{_TURN} and number = $3", self._bot, id_, row["turns"])
            turn = next_turn(Turn(**last), question)
            await self._put(db, id_, turn)
            await db.execute(
                "update smarter_conversations set turns = $3, updated_ms = $4, open_answer = $5, open_until_ms = $6 "
                "where bot = $1 and id = $2",
                *(self._bot, id_, turn.number, question.now_ms, question.answer_id, question.until_ms),
            )
            memory = unpacked(row["memory"])
            before = f"{_TURN} and number >= $3 and number < $4 order by number"
            turns = [Turn(**each) for each in await db.fetch(before, self._bot, id_, memory.kept_from, turn.number)]
        return Opened(id_, turn.number, tuple(each for each in turns if each.is_answered), memory)

    async def close(self, id_: str, turn: Turn, memory: Memory | None) -> bool:
        async with self._transaction() as db:
            done = await db.execute(
                "update smarter_conversations set open_answer = '', updated_ms = $4, memory = coalesce($5, memory) "
                "where bot = $1 and id = $2 and open_answer = $3",
                *(self._bot, id_, turn.answer_id, turn.answered_ms, packed(memory) if memory else None),
            )
            if not _count(done):
                return False
            await self._put(db, id_, turn)
        return True

    async def extend(self, id_: str, answer_id: str, until_ms: int) -> bool:
        query = "update smarter_conversations set open_until_ms = $4 where bot = $1 and id = $2 and open_answer = $3"
        return bool(await self._changed(query, id_, answer_id, until_ms))

    async def heads(self, owner: str, at_most: int, before: tuple[int, str] | None = None) -> Sequence[Head]:
        after = "and (updated_ms, id) < ($4, $5)" if before else ""
        query = f"{_HEAD} and owner = $2 {after} order by updated_ms desc, id desc limit $3"
        async with self._lent() as pool:
            return [Head(**row) for row in await pool.fetch(query, self._bot, owner, at_most, *(before or ()))]

    async def read(self, owner: str, id_: str, at_most: int, before: int) -> tuple[Head, Sequence[Turn]] | None:
        async with self._transaction(isolation="repeatable_read") as db:
            row = await db.fetchrow(f"{_HEAD} and id = $2 and owner = $3", self._bot, id_, owner)
            if row is None:
                return None
            last = f"{_TURN} and number < $3 order by number desc limit $4"
            turns = [Turn(**each) for each in await db.fetch(last, self._bot, id_, before, at_most)]
        return Head(**row), turns[::-1]

    async def erase(self, owner: str, id_: str) -> bool:
        query = "delete from smarter_conversations where bot = $1 and id = $2 and owner = $3"
        return bool(await self._changed(query, id_, owner))

    async def erase_all(self, owner: str) -> int:
        return await self._changed("delete from smarter_conversations where bot = $1 and owner = $2", owner)

    async def expire(self, before_ms: int, at_most: int) -> int:
        oldest = (
            "select id from smarter_conversations where bot = $1 and updated_ms < $2 order by updated_ms limit $3 "
            "for update skip locked"
        )
        query = f"delete from smarter_conversations where bot = $1 and id in ({oldest})"
        return await self._changed(query, before_ms, at_most)

    async def sweep(self, days: int, now_ms: int, at_most: int) -> int:
        note = (
            "insert into smarter_retention values ($1, $2) "
            "on conflict (bot) do update set days = excluded.days where smarter_retention.days <> excluded.days"
        )
        await self._changed(note, days)
        return await self._changed(_LEFT_BEHIND, now_ms, DAY_MS, at_most)

    async def _put(self, db: Any, id_: str, turn: Turn) -> None:
        await db.execute(
            _PUT,
            *(self._bot, id_, turn.number, _text(turn.question), turn.asked_ms, turn.answer_id, _text(turn.answer)),
            *(turn.state, turn.answered_ms),
        )

    async def _changed(self, query: str, *parameters: object) -> int:
        async with self._lent() as pool:
            return _count(await pool.execute(query, self._bot, *parameters))

    @asynccontextmanager
    async def _transaction(self, **options: Any) -> "AsyncIterator[Any]":
        async with self._lent() as pool, pool.acquire() as connection, connection.transaction(**options):
            yield connection

    @asynccontextmanager
    async def _lent(self) -> "AsyncIterator[asyncpg.Pool]":
        try:
            async with self._connections.postgresql() as pool:
                yield pool
        except StoreUnavailable as error:
            raise ConversationsUnavailable(str(error)) from error


def _count(done: str) -> int:
    """Return how many rows a command changed: what it answers ends with the number."""
    return int(done.rsplit(" ", 1)[1])


def _text(text: str) -> str:
    """Return `text` as PostgreSQL can keep it: its texts hold every character but the one with the number 0."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
