"""What is kept of an answer when it ends, however it ends: its usage record, and its turn of a stored conversation."""

import asyncio
from collections.abc import Callable
from functools import partial

from smarter_crds.usage import UsageStatus
from smarter_runtime.conversations import TurnState
from smarter_runtime.conversations.talk import Talk
from smarter_runtime.plan import Plan
from smarter_runtime.tracing import Span
from smarter_runtime.tracing.attributes import of_answer
from smarter_runtime.usage.recorder import Recorder
from smarter_runtime.usage.tally import Tally

# What nobody ends is given up a while after the longest answer.
RESERVE_SECONDS = 60

_TURN_STATES: dict[UsageStatus, TurnState] = {
    "Complete": "Complete",
    "Length": "Length",
    "Filtered": "Filtered",
    "Stopped": "Stopped",
}


class Closing:
    """Begins and ends the books of one answer; only the first end counts."""

    def __init__(
        self, recorder: Recorder, tally: Tally, plan: Plan, talk: Talk | None, now_ms: Callable[[], int]
    ) -> None:
        self._recorder = recorder
        self._tally = tally
        self._plan = plan
        self._talk = talk
        self._now_ms = now_ms
        self._holding: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._ended: tuple[UsageStatus, str] | None = None

    def begin(self) -> None:
        longest = self._plan.bot.config.limits.max_answer_seconds + RESERVE_SECONDS
        lost = partial(self._tally.lost, self._plan.messages)
        self._recorder.begin(self._tally.id, lost, self._now_ms() + 1000 * longest)
        if self._talk is not None:
            self._holding = asyncio.create_task(self._talk.hold(self._now_ms))

    async def end(self, status: UsageStatus, reason: str = "", spoken: str = "") -> None:
        """Keep everything. It is kept also when whoever waits for it gives up."""
        if self._holding is not None:
            self._holding.cancel()
        if self._ending is None:
            self._ended = status, reason
            self._ending = asyncio.create_task(self._end(status, reason, spoken))
        await asyncio.shield(self._ending)

    def tell(self, span: Span) -> None:
        """Say how the answer ended; one that was never begun has used nothing."""
        status, reason = self._ended or ("Failed", "overloaded")
        error = reason or ("stopped" if status == "Stopped" else "")
        span.end(lambda: of_answer(self._tally.record(status, reason)), error=error)

    async def abandon(self) -> None:
        """Give up an answer that was never begun: it has used nothing, and its question has no answer."""
        if self._ending is None and self._talk is not None:
            await self._talk.end("", "Failed", None, self._now_ms())

    async def _end(self, status: UsageStatus, reason: str, spoken: str) -> None:
        noted = self._recorder.end(self._tally.record(status, reason))
        if self._talk is None:
            await noted
            return
        state = _TURN_STATES.get(status, "Failed")
        await asyncio.gather(noted, self._talk.end(spoken, state, self._plan, self._now_ms()))
