"""Connections to Redis."""

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from smarter_runtime.network import dial
from smarter_runtime.stores.access import COMMAND_SECONDS, CONNECT_SECONDS, Access

ERRORS: tuple[type[Exception], ...] = (RedisError,)
MAX_CONNECTIONS = 16


class GuardedConnection(Connection):
    """A connection to an address that may be dialled."""

    def __init__(self, *, access: Access, **options: Any) -> None:
        super().__init__(host=access.config.host, port=access.config.port, **options)
        self._access = access

    async def _connect(self) -> None:
        config, tls = self._access.config, self._access.tls
        async with asyncio.timeout(CONNECT_SECONDS):
            sock = await dial(config.host, config.port, self._access.allowed)
            self._reader, self._writer = await asyncio.open_connection(
                sock=sock, ssl=tls, server_hostname=config.host if tls else None
            )


def connected(access: Access) -> Redis:
    """Return a client that connects when it is used first."""
    pool = BlockingConnectionPool(
        max_connections=MAX_CONNECTIONS,
        timeout=CONNECT_SECONDS,
        connection_class=GuardedConnection,
        access=access,
        db=int(access.config.database),
        username=access.username,
        password=access.password,
        socket_timeout=COMMAND_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        # What counts must not be done twice; whoever asks decides whether to ask again.
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        client_name="smarter",
        driver_info=None,
    )
    return Redis.from_pool(pool)


async def ping(client: Redis) -> None:
    await client.ping()


async def close(client: Redis) -> None:
    await client.aclose()


def code(error: Exception) -> str:
    """Return the first word of what Redis said: its errors begin with a code."""
    word = str(error).split(" ", 1)[0]
    return word if word.isupper() else type(error).__name__
