"""Work of many milliseconds, done by a thread, so that the event loop comes round meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


PLACES = 2
"""So many may hold what is large at the same time: one computes while another waits for the API server."""


class Aside:
    """One thread for pure functions; whoever comes second waits, for two would only share one processor.

    `place` is for those who hold what is large for longer than a call.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self.place = asyncio.Semaphore(PLACES)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))
