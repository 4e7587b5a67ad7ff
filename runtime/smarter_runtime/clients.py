"""Whether a client still waits for what is being done for it."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def is_done_for_client(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Do `work`; return whether it was finished, and not given up because the client went away."""
    worker = asyncio.current_task()
    assert worker is not None
    cancelled_before = worker.cancelling()
    is_over = has_gone = False

    def stop(listener: asyncio.Task[None]) -> None:
        nonlocal has_gone
        with contextlib.suppress(asyncio.CancelledError):
            listener.exception()
        # A task that is done with the work must not be hit.
        if not is_over:
            has_gone = True
            worker.cancel()

    listening = asyncio.create_task(_disconnected(receive))
    listening.add_done_callback(stop)
    try:
        await work
    except asyncio.CancelledError:
        # Somebody else may want the task to end, too.
        if not has_gone or worker.cancelling() > cancelled_before + 1:
            raise
        return False
    finally:
        is_over = True
        listening.cancel()
        if has_gone:
            worker.uncancel()
    return True


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
