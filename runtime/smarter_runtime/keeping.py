"""What a process keeps beyond its answers: conversations, and the records of usage."""

from dataclasses import dataclass
from pathlib import Path

from smarter_runtime.conversations import Conversations
from smarter_runtime.conversations.sqlite import AT_START as GIVE_UP_TURNS
from smarter_runtime.conversations.sqlite import SCHEMA as CONVERSATIONS
from smarter_runtime.conversations.sqlite import SqliteConversations
from smarter_runtime.embedded import Embedded
from smarter_runtime.metrics import Metrics
from smarter_runtime.usage.recorder import Recorder
from smarter_runtime.usage.sqlite import AT_START as GIVE_UP_ANSWERS
from smarter_runtime.usage.sqlite import SCHEMA as USAGE
from smarter_runtime.usage.sqlite import SqliteUsage

SCHEMA = (CONVERSATIONS, USAGE)
"""Of the embedded store; what is released is never changed, only added to."""

AT_START = (GIVE_UP_TURNS, GIVE_UP_ANSWERS)


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """The stores in use."""

    embedded: Embedded
    embedded_conversations: SqliteConversations
    conversations: Conversations
    usage: SqliteUsage
    recorder: Recorder

    async def close(self) -> None:
        """Finish what was begun."""
        await self.recorder.close()
        await self.embedded.close()


def keeping(directory: Path | None, metrics: Metrics) -> Keeping:
    embedded = Embedded(directory, SCHEMA, AT_START)
    usage, conversations = SqliteUsage(embedded), SqliteConversations(embedded)
    return Keeping(
        embedded=embedded,
        embedded_conversations=conversations,
        conversations=conversations,
        usage=usage,
        recorder=Recorder(usage, metrics),
    )
