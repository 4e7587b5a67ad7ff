"""Brings usage records from the embedded store to the bot's Store, as soon as they are written."""

import asyncio
import logging
from collections.abc import Callable

from smarter_runtime.usage import UsageStore, UsageUnavailable
from smarter_runtime.usage.sqlite import SqliteUsage

logger = logging.getLogger(__name__)

BATCH = 200
AGAIN_SECONDS = 2.0
"""How often it is looked for records that are left from an attempt that failed."""


class Forwarder:
    """Sends what is new. A record may be sent twice and is in the Store once."""

    def __init__(self, journal: SqliteUsage, store: Callable[[], UsageStore | None]) -> None:
        """`store` returns where records shall be; None: they are at home in the journal."""
        self._journal = journal
        self._store = store
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None
        self._tasks: set[asyncio.Task[bool]] = set()
        self._is_late = False

    @property
    def is_needed(self) -> bool:
        return self._store() is not None

    def send(self) -> asyncio.Task[bool]:
        """Send what is in the journal by now; the result is whether everything has arrived.

        What is asked for while something is being sent is done afterwards, at once for all who ask.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    async def run(self) -> None:
        """Send again and again."""
        while True:
            if self.is_needed:
                await asyncio.shield(self.send())
            await asyncio.sleep(AGAIN_SECONDS)

    async def _in_turn(self) -> bool:
        async with self._lock:
            self._next = None
            return await self._send()

    async def _send(self) -> bool:
        store = self._store()
        if store is None:
            return True
        try:
            while entries := await self._journal.unsent(BATCH):
                await store.put(entries)
                await self._journal.sent(entries)
        except UsageUnavailable as error:
            if not self._is_late:
                logger.warning("usage records wait for the Store", extra={"text": str(error)})
            self._is_late = True
            return False
        self._is_late = False
        return True
