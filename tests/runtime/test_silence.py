"""A stream ends when its server is silent, and not when its reader takes its time."""

import asyncio
from types import SimpleNamespace
from typing import Any

from smarter_runtime.models.silence import Silence
from support.virtual_time import virtual_time


class Body:
    """Notes what its reader is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def set_exception(self, error: Exception) -> None:
        self.error = error


def response() -> Any:
    return SimpleNamespace(connection=None, content=Body())


@virtual_time
async def test_silence_ends_the_stream() -> None:
    silent = response()
    with Silence(silent, 10):
        await asyncio.sleep(9.9)
        assert silent.content.error is None
        await asyncio.sleep(0.2)
    assert isinstance(silent.content.error, TimeoutError)


@virtual_time
async def test_every_sign_of_life_counts_from_the_beginning() -> None:
    living = response()
    with Silence(living, 10) as silence:
        for _ in range(5):
            await asyncio.sleep(9)
            silence.pause()
            silence.wait()
    assert living.content.error is None


@virtual_time
async def test_what_is_no_sign_of_life_puts_nothing_off() -> None:
    commenting = response()
    with Silence(commenting, 10) as silence:
        for _ in range(5):
            await asyncio.sleep(2.1)
            silence.pause()
            silence.wait(anew=False)
    assert isinstance(commenting.content.error, TimeoutError)


@virtual_time
async def test_a_slow_reader_is_not_taken_for_a_silent_server() -> None:
    waiting = response()
    with Silence(waiting, 10) as silence:
        silence.pause()
        await asyncio.sleep(60)
        silence.wait()
        await asyncio.sleep(9)
        assert waiting.content.error is None
        await asyncio.sleep(12)
    assert isinstance(waiting.content.error, TimeoutError)


@virtual_time
async def test_a_stream_that_is_over_is_left_alone() -> None:
    over = response()
    with Silence(over, 10):
        pass
    await asyncio.sleep(20)
    assert over.content.error is None
