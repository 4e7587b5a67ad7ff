"""Real servers for the tests here, started once for all of them; each test makes what it needs in them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from smarter_runtime.stores.connections import StoreConnections
from support.mariadb import MariaDB, running_mariadb
from support.postgresql import PostgreSQL, running_postgresql
from support.redis_server import Redis, running_redis
from support.ssh_server import SshServer, running_ssh_server
from support.stores import StoreKind, connected, postgresql_store, redis_store


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    with running_ssh_server() as server:
        yield server


@pytest.fixture(params=["Redis", "PostgreSQL"])
def kind(request: pytest.FixtureRequest) -> StoreKind:
    found: StoreKind = request.param
    return found


@pytest.fixture
def server(kind: StoreKind, request: pytest.FixtureRequest) -> Redis | PostgreSQL:
    """Return the server of a Store, with nothing in it."""
    made: Redis | PostgreSQL = request.getfixturevalue("redis_server" if kind == "Redis" else "postgresql")
    if isinstance(made, Redis):
        made.command("FLUSHALL")
    return made


@pytest.fixture
async def in_redis(redis_server: Redis, tmp_path: Path) -> AsyncIterator[StoreConnections]:
    """Use an empty Store of type Redis."""
    redis_server.command("FLUSHALL")
    async with connected(redis_store(redis_server, tmp_path)) as made:
        yield made


@pytest.fixture
async def in_postgresql(postgresql: PostgreSQL, tmp_path: Path) -> AsyncIterator[StoreConnections]:
    """Use an empty Store of type PostgreSQL."""
    async with connected(postgresql_store(postgresql, tmp_path)) as made:
        yield made
