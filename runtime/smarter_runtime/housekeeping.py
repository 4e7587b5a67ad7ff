"""What is done now and then about the things that are kept: what is too old goes, in small steps."""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from smarter_crds.runtime_config import RuntimeProblem
from smarter_runtime.bot import Bot
from smarter_runtime.conversations import DAY_MS, Conversations, ConversationsUnavailable
from smarter_runtime.embedded import Embedded
from smarter_runtime.keeping import Keeping
from smarter_runtime.limits import Clock
from smarter_runtime.usage import UsageStore, UsageUnavailable

logger = logging.getLogger(__name__)

FIRST_SECONDS = 30.0
EVERY_SECONDS = 600.0
BATCH = 200
MOST_BATCHES = 100
"""Of one kind at a time; what is left comes the next time."""
PAUSE_SECONDS = 0.05
ACKNOWLEDGED_DAYS = 1
"""How long a record that was acknowledged is remembered, so that it is not taken for a new one if it comes again."""
FULL_SHARE = 0.9

T = TypeVar("T")


class Housekeeping:
    """Several pods that share a store may do this beside each other."""

    def __init__(self, keeping: Keeping, clock: Clock, most_embedded_bytes: int) -> None:
        self._keeping = keeping
        self._clock = clock
        self._most_embedded_bytes = most_embedded_bytes
        self.problems: tuple[RuntimeProblem, ...] = ()

    async def run(self, bot: Callable[[], Bot | None]) -> None:
        """Tidy up again and again."""
        seconds = FIRST_SECONDS
        while True:
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))
            if serving := bot():
                await self.once(serving)
            seconds = EVERY_SECONDS

    async def once(self, bot: Bot) -> None:
        """Do everything; what a store that is away cannot do comes the next time."""
        keeping, days = self._keeping, bot.config.conversations.retention_days
        # Before the bot had a Store, it may have kept something in the pod.
        for conversations in _each(keeping.conversations, keeping.embedded_conversations):
            await _tried(self._erase_old(conversations, days))
        for usage in _each(keeping.usage, keeping.journal):
            await _tried(self._forget_read(usage))
        await _tried(self._make_room())

    async def _erase_old(self, conversations: Conversations, days: int) -> None:
        oldest_ms = self._now_ms() - days * DAY_MS
        erased = await _in_batches(lambda: conversations.expire(oldest_ms, BATCH))
        erased += await _in_batches(lambda: conversations.sweep(days, self._now_ms(), BATCH))
        if erased:
            logger.info("old conversations erased", extra={"conversations": erased})

    async def _forget_read(self, usage: UsageStore) -> None:
        await usage.give_up(self._now_ms())
        await _in_batches(lambda: usage.trim(self._now_ms() - ACKNOWLEDGED_DAYS * DAY_MS, BATCH))

    async def _make_room(self) -> None:
        """Erase the oldest conversations of an embedded store that is full; records of usage stay."""
        embedded, erased = self._keeping.embedded, 0
        if await size(embedded) > self._most_embedded_bytes:
            conversations = self._keeping.embedded_conversations
            # The room that is freed is used again; so many steps that little more goes than has to.
            step = max(1, await conversations.count() // MOST_BATCHES)
            for _ in range(MOST_BATCHES):
                count = await conversations.expire(self._now_ms(), step)
                erased += count
                if not count or await size(embedded) <= FULL_SHARE * self._most_embedded_bytes:
                    break
            logger.warning("the embedded store is full", extra={"erasedConversations": erased})
        is_full = await size(embedded) > self._most_embedded_bytes
        self.problems = (await self._too_many_records(),) if is_full else ()

    async def _too_many_records(self) -> RuntimeProblem:
        count = await self._keeping.journal.waiting()
        message = (
            f"The embedded store is full of {count} records of usage that nobody has acknowledged, and is growing; "
            "collect them from `/usage` at the status port, or give the Chatbot a Store."
        )
        if self._keeping.stored_usage is not None:
            message = f"The embedded store is full of {count} records of usage that wait for the Store, and is growing."
        return RuntimeProblem(reason="UsageNotCollected", message=message)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)


def _each(used: T, embedded: T) -> tuple[T, ...]:
    return (used,) if used is embedded else (used, embedded)


async def _tried(work: Awaitable[None]) -> None:
    try:
        await work
    except (ConversationsUnavailable, UsageUnavailable, sqlite3.Error) as error:
        logger.warning("the store cannot be tidied up", extra={"text": str(error)})


async def size(embedded: Embedded) -> int:
    """Return how many bytes of the file are in use."""
    pragmas = "pragma_page_count, pragma_freelist_count, pragma_page_size"
    query = f"select (page_count - freelist_count) * page_size from {pragmas}"
    return await embedded.run(lambda db: int(db.execute(query).fetchone()[0]))


async def _in_batches(step: Callable[[], Awaitable[int]]) -> int:
    done = 0
    for _ in range(MOST_BATCHES):
        count = await step()
        done += count
        if count < BATCH:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return done
