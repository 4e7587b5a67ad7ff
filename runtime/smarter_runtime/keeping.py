"""What a process keeps beyond its answers: conversations, and the records of usage."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.conversations import Conversations
from smarter_runtime.conversations.postgresql import PostgreSqlConversations
from smarter_runtime.conversations.redis import RedisConversations
from smarter_runtime.conversations.sqlite import AT_START as GIVE_UP_TURNS
from smarter_runtime.conversations.sqlite import SCHEMA as CONVERSATIONS
from smarter_runtime.conversations.sqlite import SqliteConversations
from smarter_runtime.embedded import Embedded
from smarter_runtime.limits.embedded_ledger import SCHEMA as COUNTERS
from smarter_runtime.metrics import Metrics
from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.usage import UsageStore
from smarter_runtime.usage.forwarder import Forwarder
from smarter_runtime.usage.postgresql import PostgreSqlUsage
from smarter_runtime.usage.recorder import Recorder
from smarter_runtime.usage.redis import RedisUsage
from smarter_runtime.usage.sqlite import AT_START as GIVE_UP_ANSWERS
from smarter_runtime.usage.sqlite import SCHEMA as USAGE
from smarter_runtime.usage.sqlite import SqliteUsage

SCHEMA = (CONVERSATIONS, USAGE, COUNTERS)
"""Of the embedded store; what is released is never changed, only added to."""

AT_START = (GIVE_UP_TURNS, GIVE_UP_ANSWERS)


@dataclass(kw_only=True)
class Keeping:
    """The stores in use."""

    embedded: Embedded
    embedded_conversations: SqliteConversations
    journal: SqliteUsage
    """The home of usage records; of a bot with a Store only those that are on their way to it."""
    recorder: Recorder
    forwarder: Forwarder
    stores: StoreConnections
    conversations: Conversations
    """Those of the bot in service."""
    stored_usage: UsageStore | None = None
    """The usage records in the Store of the bot in service; None: it has none."""

    @property
    def usage(self) -> UsageStore:
        """The usage records of the bot in service."""
        return self.stored_usage or self.journal

    def use(self, config: RuntimeConfig) -> None:
        """Keep what `config` serves where it says. What was kept elsewhere stays there; records that wait move."""
        if config.store is None:
            self.conversations, self.stored_usage = self.embedded_conversations, None
            return
        bot, days = config.bot.uid, config.conversations.retention_days
        if config.store.type == "Redis":
            self.conversations, self.stored_usage = (
                RedisConversations(self.stores, bot, days),
                RedisUsage(self.stores, bot),
            )
        else:
            self.conversations, self.stored_usage = (
                PostgreSqlConversations(self.stores, bot, days),
                PostgreSqlUsage(self.stores, bot),
            )

    async def settled(self) -> None:
        """Wait until the records that this process has written are where they are read."""
        if self.forwarder.is_needed:
            await asyncio.shield(self.forwarder.send())

    async def close(self) -> None:
        """Finish what was begun."""
        await self.recorder.close()
        await self.embedded.close()


def keeping(directory: Path | None, metrics: Metrics, stores: StoreConnections) -> Keeping:
    embedded = Embedded(directory, SCHEMA, AT_START)
    journal, conversations = SqliteUsage(embedded), SqliteConversations(embedded)
    forwarder = Forwarder(journal, lambda: made.stored_usage)
    made = Keeping(
        embedded=embedded,
        embedded_conversations=conversations,
        journal=journal,
        recorder=Recorder(journal, metrics, forwarder),
        forwarder=forwarder,
        stores=stores,
        conversations=conversations,
    )
    return made
