"""Real servers for the tests here, started once for all of them; each test makes what it needs in them."""

from collections.abc import Iterator

import pytest

from support.postgresql import PostgreSQL, running_postgresql
from support.redis_server import Redis, running_redis


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    with running_redis() as server:
        yield server
