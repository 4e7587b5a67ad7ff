"""Runs a test on a clock that jumps to the next timer, so that delays are asserted exactly and nothing sleeps."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing else is left to do."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def virtual_runner() -> asyncio.Runner:
    """Return what runs coroutines one after the other in virtual time, beginning at 0."""
    return asyncio.Runner(loop_factory=_VirtualLoop)


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a coroutine a test that runs in virtual time, beginning at 0."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with virtual_runner() as runner:
            runner.run(test(*args, **kwargs))

    return run
