"""Tools that ask a real PostgreSQL: encryption, roles, limits, rotation, and an author who means harm."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smarter_crds.connection_config import TlsConfig
from smarter_crds.runtime_config import RuntimeProblem
from smarter_crds.sql_config import SqlConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools.sql.database import Database
from smarter_runtime.tools.sql.faults import QueryFailed
from smarter_runtime.tools.sql.query import Query
from support.postgresql import PostgreSQL, Role
from support.sql_tools import Tools, connection, query, sql_tools, written

UNAVAILABLE = "The database of this tool cannot be reached at the moment."
SCHEMA = """
    create table orders (id int primary key, customer text, status text, price numeric(8, 2), data jsonb, tags text[]);
    insert into orders select n, case when n % 2 = 0 then 'bob' else 'ada' end, 'sent', n * 1.5, '{"gift": true}',
      array['a', 'b'] from generate_series(1, 300) n;
    create sequence numbers;
"""


@pytest.fixture
def owner(postgresql: PostgreSQL) -> Role:
    role = postgresql.database()
    postgresql.sql(f"set role {role.username}; {SCHEMA}", role.database)
    return role


@pytest.fixture
def reader(postgresql: PostgreSQL, owner: Role) -> Role:
    """The role that the documentation says to make."""
    role = Role(f"reader_{secrets.token_hex(6)}", secrets.token_hex(12), owner.database)
    made = f"create role {role.username} login password '{role.password}'; grant select on orders to {role.username}"
    postgresql.sql(made, role.database)
    return role


ORDER = query("order", "select status, price, data, tags from orders where id = :id", {"id": "Integer"})


async def problem(tools: Tools) -> RuntimeProblem:
    [found] = await tools.look()
    return found


async def until(server: PostgreSQL, condition: str) -> None:
    """Wait until the server counts something."""
    async with asyncio.timeout(20):
        while await asyncio.to_thread(server.sql, condition) == "0":
            pass


async def test_a_query_answers_with_rows_over_tls(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    encrypted = query("encrypted", "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, ORDER, encrypted) as tools:
        assert await tools.rows("order", id=2) == [
            {"status": "sent", "price": "3.00", "data": {"gift": True}, "tags": ["a", "b"]}
        ]
        assert await tools.rows("encrypted") == [{"ssl": True}]
        assert await tools.look() == ()


async def test_types_are_those_of_the_parameters(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    typed = query(
        "typed",
        "select pg_typeof(:text)::text a, pg_typeof(:whole)::text b, pg_typeof(:part)::text c, "
        "pg_typeof(:truth)::text d, :day::date + 1 as e, :list::jsonb as f, ':text'::text as g",
        {"text": "String", "whole": "Integer", "part": "Number", "truth": "Boolean", "day": "String", "list": "Array"},
    )  # fmt: skip
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, typed) as tools:
        given = {"text": "x", "whole": 2**62, "part": 1, "truth": True, "day": "2026-03-14", "list": [1, "b"]}
        assert await tools.rows("typed", **given) == [
            {
                "a": "character varying", "b": "bigint", "c": "double precision", "d": "boolean", "e": "2026-03-15",
                "f": [1, "b"], "g": ":text",
            }
        ]  # fmt: skip
        said = await tools.failure("typed", **given | {"day": "soon"})
        assert said == 'The database does not accept a value: invalid input syntax for type date: "soon"'


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), min_size=1, max_size=5))
def test_every_text_arrives_as_it_was_given(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, texts: list[str]
) -> None:
    echo = query("echo", "select :text as text, count(*) as n from orders where customer = :text", {"text": "String"})

    async def ask() -> None:
        async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, echo) as tools:
            for text in texts:
                [row] = await tools.rows("echo", text=text)
                assert (row["text"], row["n"]) == (text, 150 if text in ("ada", "bob") else 0)

    asyncio.run(ask())


HARM = (
    "select 1; drop table orders", "delete from orders",
    "with gone as (delete from orders returning *) select * from gone",
    "with new as (insert into orders values (999) returning *) select * from new", "select * into copied from orders",
    "select * from orders for update", "select nextval('numbers')", "copy orders to program 'touch {file}'",
    "copy (select 1) to '{file}'", "do $$ begin delete from orders; end $$", "create table mine (a int)",
    "select pg_advisory_lock(1) from pg_sleep(30)", "set transaction read write", "reset all; delete from orders",
    "/* select */ truncate orders", "begin; delete from orders; commit", "explain analyze delete from orders",
    "call nothing()", "listen everything; delete from orders", "vacuum orders",
)  # fmt: skip


async def test_harm_that_slipped_through_every_check_is_stopped_by_the_transaction(
    postgresql: PostgreSQL, owner: Role, tmp_path: Path
) -> None:
    """Asked as the superuser, to whom the server itself would forbid nothing."""
    everything = Role(postgresql.superuser.username, postgresql.superuser.password, owner.database)
    database = Database(connection(postgresql, everything, tmp_path), SecretFiles(tmp_path))
    for text in HARM:
        asked = text.format(file=postgresql.process.log.with_name("harm"))
        config = SqlConfig(connection="shop", query=asked, timeout_seconds=1)
        try:
            await database.ask(Query(config, "PostgreSQL", ()), {})
        except QueryFailed:
            continue
        assert text in ("set transaction read write", "select * from orders for update"), text
    await database.close()
    assert postgresql.sql("select count(*) from orders", owner.database) == "300"
    assert postgresql.sql("select is_called from numbers", owner.database) == "f"
    assert postgresql.sql("select count(*) from pg_tables where tablename in ('mine', 'copied')", owner.database) == "0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("select count(*) from orders a, orders b, orders c, orders d", "took too long", id="endless"),
        pytest.param("select repeat('x', 50000000) as text", "larger than 8 MiB", id="huge-value"),
        pytest.param("select repeat('x', 500000) as text from orders", "larger than 8 MiB", id="huge-rows"),
        pytest.param("select nonsense from orders", "does not work (42703)", id="unknown-column"),
        pytest.param("select * from secrets", "does not work (42P01)", id="unknown-table"),
        pytest.param("select rolpassword from pg_authid", "does not work (42501)", id="forbidden"),
    ],
)
async def test_a_query_that_fails_is_a_short_answer_and_the_next_one_works(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, text: str, said: str
) -> None:
    bad = query("bad", text, timeout_seconds=1)
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, bad, ORDER) as tools:
        assert said in await tools.failure("bad")
        assert (await tools.rows("order", id=1))[0]["status"] == "sent"
        assert tools.problems() == ()


async def test_the_server_itself_ends_a_query_that_takes_too_long(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    slow = query("slow", "select count(*) from orders a, orders b, orders c, orders d", timeout_seconds=1)
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, slow) as tools:
        await tools.failure("slow")
        running = f"select count(*) from pg_stat_activity where usename = '{reader.username}' and state = 'active'"
        assert postgresql.sql(running) == "0"


async def test_rows_beyond_the_limit_are_not_fetched(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    endless = query("endless", "select generate_series(1, 1000000000) as n", max_rows=3, timeout_seconds=2)
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, endless) as tools:
        assert (await tools.call("endless")).content == (
            '{"rows":[{"n":1},{"n":2},{"n":3}],"note":"There are more rows than these 3; narrow the question."}'
        )


@pytest.mark.parametrize(
    ("grant", "power"),
    [
        pytest.param("alter role {role} superuser", "is superuser", id="superuser"),
        pytest.param("alter role {role} createrole", "may make roles (CREATEROLE)", id="makes-roles"),
        pytest.param(
            "grant pg_execute_server_program to {role}", "is member of pg_execute_server_program", id="runs-programs"
        ),
        pytest.param("grant insert on orders to {role}", "may change the table public.orders", id="inserts"),
        pytest.param(
            "grant update (status) on orders to {role}", "may change the table public.orders", id="one-column"
        ),
        pytest.param("grant create on schema public to {role}", "may make objects in the schema public", id="creates"),
        pytest.param("grant postgres to {role}", "is member of a role that is superuser", id="member-of-a-superuser"),
    ],
)
async def test_a_role_that_may_do_more_than_read_is_a_problem(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, grant: str, power: str
) -> None:
    postgresql.sql(grant.format(role=reader.username), reader.database)
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, ORDER) as tools:
        found = await problem(tools)
        assert found.reason == "RoleTooPowerful"
        assert f"The role {power}, and shall do nothing but read" in found.message
        assert (await tools.rows("order", id=1))[0]["status"] == "sent"
    postgresql.sql(f"alter role {reader.username} nosuperuser")


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        pytest.param({"allowed_cidrs": ()}, "AddressRefused", "not public", id="address-not-allowed"),
        pytest.param(
            {"host": "127.0.0.1", "allowed_cidrs": ()}, "AddressRefused", "not public", id="number-not-allowed"
        ),
        pytest.param({"host": "nowhere.invalid"}, "Unreachable", "DNS", id="no-such-host"),
        pytest.param({"port": 1}, "Unreachable", "cannot be reached", id="nobody-listens"),
        pytest.param({"database": "nothing"}, "DatabaseMissing", "'nothing'", id="no-such-database"),
        pytest.param({"tls": TlsConfig()}, "CertificateRefused", "certificate", id="unknown-authority"),
        pytest.param({"tls": TlsConfig(ca_file="password")}, "SecretMissing", "`password`", id="no-authority"),
        pytest.param({"tls": TlsConfig(ca_file="none")}, "SecretMissing", "`none`", id="no-file"),
    ],
)
async def test_what_is_wrong_with_a_connection_is_a_problem_and_a_short_answer(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, changes: dict[str, Any], reason: str, words: str
) -> None:
    async with sql_tools(connection(postgresql, reader, tmp_path, **changes), tmp_path, ORDER) as tools:
        assert await tools.failure("order", id=1) == UNAVAILABLE
        found = await problem(tools)
        assert found.reason == reason
        assert words in found.message
        assert reader.password not in found.message and reader.username not in found.message


@pytest.mark.parametrize("mode", ["Required", "VerifyCA", "Disabled"])
async def test_each_mode_of_encryption_works(postgresql: PostgreSQL, reader: Role, tmp_path: Path, mode: str) -> None:
    tls = {"mode": mode, "ca_file": "ca" if mode == "VerifyCA" else ""}
    encrypted = query("encrypted", "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    async with sql_tools(connection(postgresql, reader, tmp_path, tls=tls), tmp_path, encrypted) as tools:
        assert await tools.rows("encrypted") == [{"ssl": mode != "Disabled"}]


async def test_a_wrong_password_is_a_problem_that_tells_no_secret(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    asked = connection(postgresql, reader, tmp_path)
    written(tmp_path, Role(reader.username, "wr0ng-passw0rd", reader.database))
    async with sql_tools(asked, tmp_path, ORDER) as tools:
        found = await problem(tools)
        assert found.reason == "LoginRefused"
        assert "wr0ng" not in found.message and reader.username not in found.message


async def test_rotated_credentials_are_used_without_a_restart_and_the_old_connections_go(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    who = query("who", "select current_user::text as who")
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, who) as tools:
        assert await tools.rows("who") == [{"who": reader.username}]
        new = Role(f"{reader.username}_2", "another", reader.database)
        postgresql.sql(f"create role {new.username} login password 'another'")
        written(tmp_path, new)
        assert await tools.rows("who") == [{"who": new.username}]
        counted = "select count(*) from pg_stat_activity where usename = '{}'"
        assert postgresql.sql(counted.format(reader.username)) == "0"
        # Files that are written anew and say the same change nothing.
        before = postgresql.sql(f"select min(pid) from pg_stat_activity where usename = '{new.username}'")
        written(tmp_path, new)
        await tools.rows("who")
        assert postgresql.sql(f"select min(pid) from pg_stat_activity where usename = '{new.username}'") == before


async def test_a_query_under_way_is_finished_by_the_old_connections(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    slow = query("slow", "select current_user::text as who, count(*) > 0 as b from orders a, orders b, orders c")
    who = query("who", "select current_user::text as who")
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, slow, who) as tools:
        under_way = asyncio.create_task(tools.rows("slow"))
        active = f"select count(*) from pg_stat_activity where usename = '{reader.username}' and state = 'active'"
        await until(postgresql, active)
        new = Role(f"{reader.username}_2", "another", reader.database)
        postgresql.sql(f"create role {new.username} login password 'another'")
        written(tmp_path, new)
        assert await tools.rows("who") == [{"who": new.username}]
        assert await under_way == [{"who": reader.username, "b": True}]


async def test_no_more_connections_than_the_pool_allows(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    asked = connection(postgresql, reader, tmp_path, pool_size=1, pool_max_overflow=1)
    counted = query("counted", "select count(*) as n from pg_stat_activity where usename = current_user")
    async with sql_tools(asked, tmp_path, counted) as tools:
        rows = await asyncio.gather(*(tools.rows("counted") for _ in range(20)))
        assert max(row["n"] for [row] in rows) <= 2


async def test_who_finds_no_free_connection_is_told_so(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    asked = connection(postgresql, reader, tmp_path, pool_size=1, pool_max_overflow=0, connect_timeout_seconds=1)
    slow = query("slow", "select count(*) from orders a, orders b, orders c, orders d", timeout_seconds=3)
    async with sql_tools(asked, tmp_path, slow, ORDER) as tools:
        under_way = asyncio.create_task(tools.call("slow"))
        active = f"select count(*) from pg_stat_activity where usename = '{reader.username}' and state = 'active'"
        await until(postgresql, active)
        assert await tools.failure("order", id=1) == "The database of this tool is busy; try again later."
        assert tools.problems() == ()
        assert "took too long" in (await under_way).content


async def test_a_database_that_goes_away_is_a_problem_until_it_is_back(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    async with sql_tools(connection(postgresql, reader, tmp_path), tmp_path, ORDER) as tools:
        assert len(await tools.rows("order", id=1)) == 1
        postgresql.process.stop()
        try:
            assert await tools.failure("order", id=1) == UNAVAILABLE
            assert (await problem(tools)).reason == "Unreachable"
        finally:
            postgresql.process.start()
        assert len(await tools.rows("order", id=1)) == 1
        assert tools.problems() == ()
