"""Conversations in a Redis Store: a hash for each, one for its turns, and lists by owner and by age."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

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
)
from smarter_runtime.conversations.memory import packed, unpacked
from smarter_runtime.conversations.redis_layout import (
    Keys,
    created,
    opened,
    read_head,
    read_text,
    read_turn,
    write_turn,
)
from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections

GRACE_DAYS = 7
"""Added to the retention: after that, Redis itself erases what a bot has left behind that is gone."""

T = TypeVar("T")


class RedisConversations:
    """Those of one bot. What is read before it is written is watched meanwhile, and read again if it changed."""

    def __init__(self, connections: StoreConnections, bot: str, days: int) -> None:
        """`days` is how long the bot keeps what was not used."""
        self._connections = connections
        self._keys = Keys(bot)
        self._life_ms = (days + GRACE_DAYS) * DAY_MS

    async def create(self, id_: str, question: Question) -> Opened:
        turn = first_turn(question)
        async with self._lent() as redis, redis.pipeline(transaction=True) as pipe:
            self._write(pipe, id_, question.owner, created(question, turn), turn)
            await pipe.execute()
        return Opened(id_, turn.number, (), Memory())

    async def open(self, id_: str, question: Question) -> Opened:
        async def change(pipe: Any) -> Opened:
            head = await self._head(pipe, id_)
            if head.get("owner") != question.owner:
                raise UnknownConversation
            if head["open_answer"] and int(head["open_until_ms"]) > question.now_ms:
                raise ConversationBusy
            (last,) = await self._read_turns(pipe, id_, [int(head["turns"])])
            turn, memory = next_turn(last, question), unpacked(head["memory"])
            turns = await self._read_turns(pipe, id_, range(memory.kept_from, turn.number))
            pipe.multi()
            self._write(pipe, id_, question.owner, opened(question, turn), turn)
            return Opened(id_, turn.number, tuple(each for each in turns if each.is_answered), memory)

        return await self._changed(id_, change)

    async def close(self, id_: str, turn: Turn, memory: Memory | None) -> bool:
        async def change(pipe: Any) -> bool:
            head = await self._head(pipe, id_)
            pipe.multi()
            if head.get("open_answer") != turn.answer_id:
                return False
            kept = {"memory": packed(memory)} if memory else {}
            changed = {"open_answer": "", "updated_ms": turn.answered_ms, **kept}
            self._write(pipe, id_, head["owner"], changed, turn)
            return True

        return await self._changed(id_, change)

    async def extend(self, id_: str, answer_id: str, until_ms: int) -> bool:
        async def change(pipe: Any) -> bool:
            head = await self._head(pipe, id_)
            pipe.multi()
            if head.get("open_answer") != answer_id:
                return False
            pipe.hset(self._keys.head(id_), "open_until_ms", until_ms)
            return True

        return await self._changed(id_, change)

    async def heads(self, owner: str, at_most: int, before: tuple[int, str] | None = None) -> Sequence[Head]:
        top = before[0] if before else "+inf"
        found: list[Head] = []
        offset, is_more = 0, True
        async with self._lent() as redis:
            while is_more and len(found) < at_most:
                page = await redis.zrevrangebyscore(
                    self._keys.of(owner), top, "-inf", start=offset, num=at_most, withscores=True
                )
                named = [(int(updated_ms), id_.decode()) for id_, updated_ms in page]
                found += await self._read_heads(redis, [each[1] for each in named if not before or each < before])
                offset, is_more = offset + len(page), len(page) == at_most
        return found[:at_most]

    async def read(self, owner: str, id_: str, at_most: int, before: int) -> tuple[Head, Sequence[Turn]] | None:
        async with self._lent() as redis:
            head = await self._head(redis, id_)
            if head.get("owner") != owner:
                return None
            end = min(int(head["turns"]), before - 1)
            turns = await self._read_turns(redis, id_, range(max(1, end - at_most + 1), end + 1))
        return read_head(id_, head), turns

    async def erase(self, owner: str, id_: str) -> bool:
        async def change(pipe: Any) -> bool:
            found = (await self._head(pipe, id_)).get("owner")
            pipe.multi()
            if found in (owner, None):
                self._forget(pipe, id_, owner)
            return found == owner

        return await self._changed(id_, change)

    async def erase_all(self, owner: str) -> int:
        async with self._lent() as redis:
            ids = await redis.zrange(self._keys.of(owner), 0, -1)
        return sum([await self.erase(owner, id_.decode()) for id_ in ids])

    async def expire(self, before_ms: int, at_most: int) -> int:
        async with self._lent() as redis:
            old = await redis.zrange(self._keys.by_age, "-inf", f"({before_ms}", byscore=True, offset=0, num=at_most)
        return sum([await self._expire(id_.decode(), before_ms) for id_ in old])

    async def sweep(self, days: int, now_ms: int, at_most: int) -> int:
        # The keys of a bot that is gone end by themselves. Here is seen to it that those of this one do so late enough.
        async with self._lent() as redis:
            is_new = await redis.get(self._keys.days) != str(days).encode()
        cursor = None if is_new else 0
        while cursor != 0:
            cursor = await self._renew(cursor or 0, at_most)
        async with self._lent() as redis:
            await redis.set(self._keys.days, days, px=self._life_ms)
        return 0

    async def _renew(self, cursor: int, at_most: int) -> int:
        """Let some conversations live as long as the bot keeps them now; returns where to go on, 0: nowhere."""
        async with self._lent() as redis:
            cursor, found = await redis.zscan(self._keys.by_age, cursor, count=at_most)
            async with redis.pipeline(transaction=False) as pipe:
                for id_, _ in found:
                    pipe.hget(self._keys.head(id_.decode()), "owner")
                owners = await pipe.execute()
                for (id_, updated_ms), owner in zip(found, owners, strict=True):
                    for key in (self._keys.head(id_.decode()), self._keys.turns(id_.decode())):
                        pipe.pexpireat(key, int(updated_ms) + self._life_ms)
                    pipe.pexpire(self._keys.of((owner or b"").decode()), self._life_ms)
                pipe.pexpire(self._keys.by_age, self._life_ms)
                await pipe.execute()
        return int(cursor)

    async def _expire(self, id_: str, before_ms: int) -> bool:
        async def change(pipe: Any) -> bool:
            head = await self._head(pipe, id_)
            pipe.multi()
            if head and int(head["updated_ms"]) >= before_ms:
                return False
            self._forget(pipe, id_, head.get("owner", ""))
            return bool(head)

        return await self._changed(id_, change)

    async def _head(self, redis: Any, id_: str) -> dict[str, str]:
        return read_text(await redis.hgetall(self._keys.head(id_)))

    async def _read_heads(self, redis: Any, ids: Sequence[str]) -> list[Head]:
        async with redis.pipeline(transaction=False) as pipe:
            for id_ in ids:
                pipe.hgetall(self._keys.head(id_))
            found = await pipe.execute()
        return [read_head(id_, read_text(head)) for id_, head in zip(ids, found, strict=True) if head]

    async def _read_turns(self, redis: Any, id_: str, numbers: Sequence[int]) -> list[Turn]:
        if not numbers:
            return []
        found = await redis.hmget(self._keys.turns(id_), [str(number) for number in numbers])
        return [read_turn(text) for text in found if text]

    def _write(self, pipe: Any, id_: str, owner: str, head: Mapping[str, Any], turn: Turn) -> None:
        hashes = self._keys.head(id_), self._keys.turns(id_)
        lists = self._keys.of(owner), self._keys.by_age
        pipe.hset(hashes[0], mapping=dict(head))
        pipe.hset(hashes[1], str(turn.number), write_turn(turn))
        for key in lists:
            pipe.zadd(key, {id_: head["updated_ms"]})
        for key in (*hashes, *lists):
            pipe.pexpire(key, self._life_ms)

    def _forget(self, pipe: Any, id_: str, owner: str) -> None:
        pipe.delete(self._keys.head(id_), self._keys.turns(id_))
        pipe.zrem(self._keys.by_age, id_)
        pipe.zrem(self._keys.of(owner), id_)

    async def _changed(self, id_: str, change: Callable[[Any], Awaitable[T]]) -> T:
        """Do `change` on what nobody else changes at the same time: it reads, calls `multi`, and writes."""
        async with self._lent() as redis:
            result: T = await redis.transaction(change, self._keys.head(id_), value_from_callable=True)
        return result

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Any]:
        # Not typed: the client's types leave open whether it answers with bytes.
        try:
            async with self._connections.redis() as redis:
                yield redis
        except StoreUnavailable as error:
            raise ConversationsUnavailable(str(error)) from error
