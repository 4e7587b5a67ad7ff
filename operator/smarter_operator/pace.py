"""When the requests of a watch may begin."""

import asyncio
import random
from dataclasses import dataclass

GAP_SECONDS = 1.0
"""So far apart are requests of one stream on average; failures double it."""

LONGEST_GAP_SECONDS = 8.0


@dataclass
class Pace:
    """When the requests of one stream may begin: two at once, for a watch follows its list, then none for a while."""

    _gap: float = GAP_SECONDS
    _last: float = float("-inf")
    _last_but_one: float = float("-inf")
    _not_before: float = float("-inf")

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._last_but_one + 2 * self._gap, self._not_before, loop.time()) - loop.time())
        self._last_but_one, self._last = self._last, loop.time()

    def failed(self, retry_after_seconds: float = 0) -> None:
        self._gap = min(self._gap * 2, LONGEST_GAP_SECONDS) * random.uniform(0.8, 1)
        self._not_before = asyncio.get_running_loop().time() + retry_after_seconds

    def succeeded(self) -> None:
        self._gap = GAP_SECONDS
