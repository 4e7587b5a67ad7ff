"""Connections to PostgreSQL, and the tables in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from smarter_runtime.network import dialable
from smarter_runtime.stores.access import COMMAND_SECONDS, CONNECT_SECONDS, Access

ERRORS: tuple[type[Exception], ...] = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Of a connection that breaks while it is lent.
    asyncpg.InternalClientError,
)
MAX_CONNECTIONS = 8
IDLE_SECONDS = 300.0

Schemas = Mapping[str, Sequence[str]]
"""By part of the runtime, the scripts that make its tables: what is released is never changed, only added to."""

_VERSIONS = "create table if not exists smarter_schema (part text primary key, version integer not null)"
# Pods that start together must not make the same table twice.
_LOCK = "select pg_advisory_xact_lock(hashtext('smarter_schema'))"


async def connected(access: Access, schemas: Schemas) -> asyncpg.Pool:
    """Return a pool; the tables are there."""

    async def connect(*_: Any, **options: Any) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=await dialable(access.config.host, access.config.port, access.allowed),
            port=access.config.port,
            user=access.username or "smarter",
            password=access.password or "",
            database=access.config.database,
            # What was verified is the certificate of the Store's host, whatever its address is now.
            ssl=access.tls or False,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": "smarter"},
            **options,
        )

    pool = asyncpg.create_pool(
        min_size=0, max_size=MAX_CONNECTIONS, max_inactive_connection_lifetime=IDLE_SECONDS, connect=connect
    )
    await pool
    try:
        await _migrate(pool, schemas)
    except BaseException:
        pool.terminate()
        raise
    return pool


async def ping(pool: asyncpg.Pool) -> None:
    await pool.fetchval("select 1")


async def close(pool: asyncpg.Pool) -> None:
    pool.terminate()


def code(error: Exception) -> str:
    return str(getattr(error, "sqlstate", None) or type(error).__name__)


async def _migrate(pool: asyncpg.Pool, schemas: Schemas) -> None:
    if not schemas or await _is_newest(pool, schemas):
        return
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_VERSIONS)
        for part, scripts in sorted(schemas.items()):
            version = await connection.fetchval("select version from smarter_schema where part = $1", part) or 0
            for script in scripts[version:]:
                await connection.execute(script)
            await connection.execute(
                "insert into smarter_schema values ($1, $2) "
                "on conflict (part) do update set version = greatest(smarter_schema.version, excluded.version)",
                part,
                len(scripts),
            )


async def _is_newest(pool: asyncpg.Pool, schemas: Schemas) -> bool:
    """Tell whether nothing is to be made: then the role needs no right to make tables."""
    if await pool.fetchval("select to_regclass('smarter_schema')") is None:
        return False
    found = {row["part"]: row["version"] for row in await pool.fetch("select part, version from smarter_schema")}
    return all(found.get(part, 0) >= len(scripts) for part, scripts in schemas.items())
