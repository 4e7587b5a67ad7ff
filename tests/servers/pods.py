"""Pods of one bot that share a Store in a real server."""

import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from runtime.support import Running, config, running
from smarter_runtime.limits import utc_now
from support.postgresql import PostgreSQL
from support.redis_server import Redis
from support.stores import TestStore, postgresql_store, redis_store


def store_in(server: Redis | PostgreSQL, pod: Path) -> TestStore:
    """Return a Store, with its secrets in the folder of a pod."""
    if isinstance(server, Redis):
        return redis_store(server, pod / "secrets")
    return postgresql_store(server, pod / "secrets")


@asynccontextmanager
async def two_pods(
    server: Redis | PostgreSQL, folder: Path, settings: Mapping[str, Any] | None = None, **changes: Any
) -> AsyncIterator[list[Running]]:
    """Serve one bot twice; `settings` are those of the processes."""
    first = store_in(server, folder / "0")
    shutil.copytree(first.secrets, folder / "1" / "secrets")
    document = config(store=first.config, **changes)
    async with AsyncExitStack() as stack:
        pods = [
            await stack.enter_async_context(running(folder / str(number), document, utc_now, **settings or {}))
            for number in range(2)
        ]
        for pod in pods:
            pod.services.stores.retry_seconds = 0
        yield pods


@contextmanager
def away(server: Redis | PostgreSQL) -> Iterator[None]:
    """Let the server end at once, and come back with what is in it."""
    server.process.stop(signal.SIGKILL if isinstance(server, Redis) else signal.SIGQUIT)
    try:
        yield
    finally:
        server.process.start()
