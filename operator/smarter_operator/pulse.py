"""The pulse of the event loop: how late it comes round, and when it did so last."""

import asyncio

from smarter_operator import metrics

BEAT_SECONDS = 5.0


class Pulse:
    """Beats while `run` runs."""

    def __init__(self) -> None:
        self._beat_at: float | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._beat_at = loop.time()
            await asyncio.sleep(BEAT_SECONDS)
            metrics.LOOP_LAG_SECONDS.set(max(loop.time() - self._beat_at - BEAT_SECONDS, 0))

    def age_seconds(self) -> float:
        """Return how long ago the last beat was; 0 before the first."""
        return 0.0 if self._beat_at is None else asyncio.get_running_loop().time() - self._beat_at
