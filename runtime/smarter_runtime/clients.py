"""Whether a client still waits for what is being done for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def is_done_for_client(work: Coroutine[Any, Any, None], receive: Receive) -> bool:
    """Do `work`; return whether it was finished, and not given up because the client went away."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
