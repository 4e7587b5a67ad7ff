"""Work ends when nobody waits for it any more, and only then."""

import asyncio

import pytest
from starlette.types import Message, Receive

from smarter_runtime.clients import is_done_for_client


def leaving(has_left: asyncio.Event) -> Receive:
    async def receive() -> Message:
        await has_left.wait()
        return {"type": "http.disconnect"}

    return receive


class Work:
    """Takes until it is told to end, and remembers how it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.outcome = ""

    async def do(self) -> None:
        self.begun.set()
        try:
            await self.may_end.wait()
            self.outcome = "done"
        except asyncio.CancelledError:
            # What tidies up may take a while, and is not disturbed.
            await asyncio.sleep(0.01)
            self.outcome = "given up"
            raise


async def test_work_is_done_while_the_client_waits() -> None:
    work = Work()
    task = asyncio.create_task(is_done_for_client(work.do(), leaving(asyncio.Event())))
    await work.begun.wait()
    work.may_end.set()
    assert (await task, work.outcome) == (True, "done")


async def test_work_is_given_up_when_the_client_leaves_and_the_caller_goes_on() -> None:
    work, has_left = Work(), asyncio.Event()

    async def caller() -> tuple[bool, str]:
        is_done = await is_done_for_client(work.do(), leaving(has_left))
        # A cancellation that was left over would end this.
        await asyncio.sleep(0.01)
        return is_done, work.outcome

    task = asyncio.create_task(caller())
    await work.begun.wait()
    has_left.set()
    assert await task == (False, "given up")
    assert task.cancelling() == 0


@pytest.mark.parametrize("has_left_first", [False, True])
async def test_whoever_ends_the_caller_ends_it(has_left_first: bool) -> None:
    work, has_left = Work(), asyncio.Event()
    task = asyncio.create_task(is_done_for_client(work.do(), leaving(has_left)))
    await work.begun.wait()
    if has_left_first:
        has_left.set()
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_leaves_at_the_end_disturbs_nobody() -> None:
    has_left = asyncio.Event()

    async def work() -> None:
        has_left.set()

    async def caller() -> bool:
        is_done = await is_done_for_client(work(), leaving(has_left))
        await asyncio.sleep(0.01)
        return is_done

    assert await asyncio.create_task(caller())


async def test_an_error_of_the_work_is_the_callers() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await is_done_for_client(work(), leaving(asyncio.Event()))
