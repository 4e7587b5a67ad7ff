"""How a bot reaches its Store: encrypted and verified, only where it may, with the credentials of the moment."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from smarter_crds.references import TlsMode
from smarter_crds.store_config import StoreConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections
from support.postgresql import PostgreSQL
from support.redis_server import Redis
from support.stores import StoreKind, TestStore, postgresql_store, redis_store

TABLES = {"notes": ("create table notes (text text)", "alter table notes add column author text")}


@pytest.fixture(params=["Redis", "PostgreSQL"])
def kind(request: pytest.FixtureRequest) -> StoreKind:
    found: StoreKind = request.param
    return found


@pytest.fixture
def store(kind: StoreKind, request: pytest.FixtureRequest, tmp_path: Path) -> TestStore:
    if kind == "Redis":
        return redis_store(request.getfixturevalue("redis_server"), tmp_path)
    return postgresql_store(request.getfixturevalue("postgresql"), tmp_path)


@asynccontextmanager
async def connections(
    store: TestStore, config: StoreConfig | None = None, retry_seconds: float = 0
) -> AsyncIterator[StoreConnections]:
    made = StoreConnections(SecretFiles(store.secrets), retry_seconds=retry_seconds)
    await made.use(config or store.config)
    try:
        yield made
    finally:
        await made.close()


async def speak(made: StoreConnections) -> str:
    """Let the Store say something."""
    assert made.config is not None
    if made.config.type == "Redis":
        async with made.redis() as client:
            return str(await client.echo("here"))
    async with made.postgresql() as pool:
        return str(await pool.fetchval("select 'here'"))


async def refusal(made: StoreConnections) -> tuple[str, str]:
    with pytest.raises(StoreUnavailable) as caught:
        await speak(made)
    assert made.problem is not None
    assert (made.problem.reason, made.problem.message) == (caught.value.reason, str(caught.value))
    assert made.problem.resource is not None
    assert (made.problem.resource.kind, made.problem.resource.name) == ("Store", "main")
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("tls", ["Disabled", "Required", "VerifyCA", "VerifyFull"])
@pytest.mark.parametrize("kind", ["Redis", "PostgreSQL"])
async def test_it_answers_in_every_mode_of_encryption(
    kind: StoreKind, tls: TlsMode, redis_server: Redis, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    store = (
        redis_store(redis_server, tmp_path, tls=tls)
        if kind == "Redis"
        else postgresql_store(postgresql, tmp_path, tls=tls)
    )
    async with connections(store) as made:
        assert "here" in await speak(made)
        assert made.problem is None


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(store: TestStore) -> None:
    unknown = store.config.tls.model_copy(update={"ca_file": ""})
    async with connections(store, store.changed(tls=unknown)) as made:
        reason, message = await refusal(made)
    assert reason == "StoreNotTrusted"
    assert message.startswith(f"Store 'main' at localhost:{store.config.port} cannot be used: its certificate is not")


async def test_a_certificate_for_another_name_is_not_trusted(store: TestStore) -> None:
    # The address is loopback as well, and the certificate does not name it.
    async with connections(store, store.changed(host="127.0.0.2")) as made:
        reason, _ = await refusal(made)
    assert reason in ("StoreNotTrusted", "StoreUnreachable")


async def test_an_address_that_is_not_allowed_is_not_dialled(store: TestStore) -> None:
    async with connections(store, store.changed(allowed_cidrs=())) as made:
        reason, message = await refusal(made)
    assert reason == "AddressRefused"
    assert "is not public and `allowedCIDRs` does not name it" in message


async def test_a_wrong_password_is_named_and_the_right_one_is_used_at_once(store: TestStore) -> None:
    right = (store.secrets / "password").read_text(encoding="utf-8")
    store.write(password="wrong-secret-word")
    async with connections(store) as made:
        reason, message = await refusal(made)
        assert reason == "StoreLoginRefused"
        assert "wrong-secret-word" not in message
        store.write(password=right)
        assert "here" in await speak(made)
        assert made.problem is None


async def test_a_missing_secret_is_named(store: TestStore) -> None:
    (store.secrets / "password").unlink()
    async with connections(store) as made:
        assert await refusal(made) == (
            "SecretMissing",
            f"Store 'main' at localhost:{store.config.port} cannot be used: "
            "Cannot read the file `password`: No such file or directory.",
        )


async def test_a_new_password_is_used_for_new_connections_without_a_pause(redis_server: Redis, tmp_path: Path) -> None:
    store = redis_store(redis_server, tmp_path)
    async with connections(store) as made:
        assert "here" in await speak(made)
        changed = redis_server.set_password("rotated")
        try:
            # The connection that stands goes on; the new password comes a moment later.
            assert "here" in await speak(made)
            store.write(password="rotated")
            redis_server_clients_before = changed.command("CLIENT", "LIST").count("name=smarter")
            assert "here" in await speak(made)
            assert redis_server_clients_before == 1
        finally:
            changed.set_password(redis_server.password)


async def test_a_store_that_went_away_is_a_problem_until_it_is_back(
    kind: StoreKind, store: TestStore, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("redis_server" if kind == "Redis" else "postgresql")
    async with connections(store) as made:
        assert "here" in await speak(made)
        server.process.stop(signal.SIGKILL if kind == "Redis" else signal.SIGQUIT)
        try:
            reason, message = await refusal(made)
        finally:
            server.process.start()
        assert reason == "StoreUnreachable"
        assert "there is no connection to it" in message
        await made.look()
        assert made.problem is None
        assert "here" in await speak(made)


async def test_a_store_that_hangs_costs_a_bounded_time_and_then_none(
    kind: StoreKind, store: TestStore, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("redis_server" if kind == "Redis" else "postgresql")
    loop = asyncio.get_running_loop()
    async with connections(store, retry_seconds=60) as made:
        if kind == "Redis":
            await speak(made)
            server.process.signal(signal.SIGSTOP)
        try:
            started = loop.time()
            if kind == "Redis":
                assert (await refusal(made))[1].endswith("it does not answer in time.")
            else:
                with pytest.raises(StoreUnavailable, match="does not answer in time"):
                    async with made.postgresql() as pool:
                        await pool.fetchval("select pg_sleep(60)")
            assert loop.time() - started < 5
            started = loop.time()
            await refusal(made)
            assert loop.time() - started < 0.5
        finally:
            if kind == "Redis":
                server.process.signal(signal.SIGCONT)


async def test_two_pods_that_start_together_make_the_tables_once(postgresql: PostgreSQL, tmp_path: Path) -> None:
    store = postgresql_store(postgresql, tmp_path)

    async def start() -> None:
        made = StoreConnections(SecretFiles(store.secrets), schemas={"notes": TABLES["notes"]})
        await made.use(store.config)
        async with made.postgresql() as pool:
            await pool.execute("insert into notes values ('a', 'b')")
        await made.close()

    await asyncio.gather(*(start() for _ in range(5)))
    assert postgresql.sql("select count(*) from notes", store.config.database) == "5"


async def test_tables_of_an_older_release_get_what_is_new(postgresql: PostgreSQL, tmp_path: Path) -> None:
    store = postgresql_store(postgresql, tmp_path)
    for scripts in (TABLES["notes"][:1], TABLES["notes"], TABLES["notes"][:1]):
        made = StoreConnections(SecretFiles(store.secrets), schemas={"notes": scripts})
        await made.use(store.config)
        async with made.postgresql() as pool:
            await pool.execute("insert into notes (text) values ('x')")
        await made.close()
    assert postgresql.sql("select version from smarter_schema", store.config.database) == "2"
    assert postgresql.sql("select count(author) from notes", store.config.database) == "0"


async def test_a_role_that_may_make_no_tables_is_told_so(postgresql: PostgreSQL, tmp_path: Path) -> None:
    store = postgresql_store(postgresql, tmp_path)
    role = store.config.database
    postgresql.sql(f"alter schema public owner to postgres; revoke create on schema public from {role}", role)
    made = StoreConnections(SecretFiles(store.secrets), schemas={"notes": TABLES["notes"]})
    await made.use(store.config)
    with pytest.raises(StoreUnavailable) as caught:
        async with made.postgresql():
            pass
    await made.close()
    assert caught.value.reason == "StoreLoginRefused"
    assert str(caught.value).endswith("the user may not make or use the tables.")


async def test_another_store_is_used_as_soon_as_the_config_names_it(redis_server: Redis, tmp_path: Path) -> None:
    first, second = (redis_store(redis_server, tmp_path, database=number) for number in (1, 2))
    async with connections(first) as made:
        async with made.redis() as client:
            await client.set("who", "first")
            await made.use(second.config)
            # Whoever began with the one before may finish with it.
            assert await client.get("who") == b"first"
        async with made.redis() as client:
            assert await client.get("who") is None


async def test_without_a_store_there_is_nothing_to_lend(tmp_path: Path) -> None:
    made = StoreConnections(SecretFiles(tmp_path))
    await made.look()
    with pytest.raises(StoreUnavailable, match="has no Store"):
        async with made.redis():
            pass
