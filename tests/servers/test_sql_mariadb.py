"""Tools that ask a real MariaDB: parameters apart from the statement, encryption, roles, limits, attempts at harm."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smarter_crds.connection_config import TlsConfig
from smarter_crds.sql_config import SqlConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools.sql.database import Database
from smarter_runtime.tools.sql.faults import QueryFailed
from smarter_runtime.tools.sql.query import Query
from support.mariadb import MariaDB
from support.postgresql import Role
from support.sql_tools import connection, query, sql_tools, written

SCHEMA = """
    create table orders
      (id int primary key, customer varchar(100), status varchar(20), price decimal(8, 2), at datetime);
    insert into orders select seq, if(seq % 2 = 0, 'bob', 'ada'), 'sent', seq * 1.5, '2026-03-14 12:00:00'
      from seq_1_to_300;
    create sequence numbers;
"""


@pytest.fixture
def owner(mariadb: MariaDB) -> Role:
    role = mariadb.database()
    mariadb.sql(SCHEMA, role.database)
    return role


@pytest.fixture
def reader(mariadb: MariaDB, owner: Role) -> Role:
    """The role that the documentation says to make."""
    return mariadb.reader(owner.database)


ORDER = query("order", "select status, price, at, '100%' as sure from orders where id = :id", {"id": "Integer"})
ANSWER = [{"status": "sent", "price": "3.00", "at": "2026-03-14T12:00:00", "sure": "100%"}]


@pytest.mark.parametrize("engine", ["MariaDB", "MySQL"])
async def test_a_query_answers_with_rows_over_tls(mariadb: MariaDB, reader: Role, tmp_path: Path, engine: str) -> None:
    encrypted = query(
        "encrypted",
        "select variable_value <> '' as yes from information_schema.session_status where variable_name = 'ssl_cipher'",
    )
    asked = connection(mariadb, reader, tmp_path, engine=engine)
    async with sql_tools(asked, tmp_path, ORDER, encrypted) as tools:
        assert await tools.rows("order", id=2) == ANSWER
        assert await tools.rows("encrypted") == [{"yes": 1}]
        assert await tools.look() == ()


async def test_parameters_travel_apart_from_the_statement(mariadb: MariaDB, reader: Role, tmp_path: Path) -> None:
    """The server counts statements that it prepared, and those that came with their values in them."""
    executed = query(
        "executed",
        "select variable_value as n from information_schema.session_status where variable_name = 'com_stmt_execute' "
        "and :text is not null",
        {"text": "String"},
    )
    asked = connection(mariadb, reader, tmp_path, pool_size=1, pool_max_overflow=0)
    async with sql_tools(asked, tmp_path, executed) as tools:
        first = int((await tools.rows("executed", text="a"))[0]["n"])
        assert int((await tools.rows("executed", text="b"))[0]["n"]) > first


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=5),
    number=st.integers(-(2**63) + 1, 2**63 - 1),
    fraction=st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
)
def test_every_value_arrives_as_it_was_given(
    mariadb: MariaDB, reader: Role, tmp_path: Path, texts: list[str], number: int, fraction: float
) -> None:
    echo = query(
        "echo",
        r"select :text as text, 'it''s \':text\'' as quoted, :number as number, :fraction as fraction, count(*) as n "
        "from orders where binary customer = :text",
        {"text": "String", "number": "Integer", "fraction": "Number"},
    )

    async def ask() -> None:
        async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, echo) as tools:
            for text in texts:
                [row] = await tools.rows("echo", text=text, number=number, fraction=fraction)
                assert row == {
                    "text": text,
                    "quoted": "it's ':text'",
                    "number": number,
                    "fraction": fraction,
                    "n": 150 if text in ("ada", "bob") else 0,
                }

    asyncio.run(ask())


HARM = (
    "select 1; drop table orders", "delete from orders", "update orders set status = 'x'", "drop table orders",
    "insert into orders (id) values (999)", "create table mine (a int)", "truncate orders",
    "replace into orders (id) values (1)", "select nextval(numbers)", "select * from orders for update",
    "load data infile '/etc/passwd' into table orders", "lock tables orders write",
    "set session transaction read write",
    "call nothing()", "begin not atomic delete from orders; end", "do sleep(30)", "kill query 1", "flush tables",
    "execute immediate 'delete from orders'", "handler orders open",
)  # fmt: skip


async def test_harm_that_slipped_through_every_check_is_stopped_by_the_transaction(
    mariadb: MariaDB, owner: Role, tmp_path: Path
) -> None:
    """Asked as a user to whom the server itself would forbid nothing."""
    mariadb.sql(f"grant all privileges on *.* to {owner.username}@'%'")
    database = Database(connection(mariadb, owner, tmp_path), SecretFiles(tmp_path))
    for text in HARM:
        config = SqlConfig(connection="shop", query=text, timeout_seconds=1)
        try:
            await database.ask(Query(config, "MariaDB", ()), {})
        except QueryFailed:
            continue
    await database.close()
    assert mariadb.sql("select count(*), min(status), max(id) from orders", owner.database) == "300\tsent\t300"
    assert mariadb.sql("select next_not_cached_value from numbers", owner.database) == "1"
    assert mariadb.sql("show tables like 'mine'", owner.database) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("select count(*) from orders a, orders b, orders c, orders d", "took too long", id="endless"),
        pytest.param("select repeat('x', 10000000) as text", "larger than 8 MiB", id="huge-value"),
        pytest.param("select repeat('x', 500000) as text from orders", "larger than 8 MiB", id="huge-rows"),
        pytest.param("select nonsense from orders", "does not work (1054)", id="unknown-column"),
        pytest.param("select * from mysql.global_priv", "does not work (1142)", id="forbidden"),
    ],
)
async def test_a_query_that_fails_is_a_short_answer_and_the_next_one_works(
    mariadb: MariaDB, reader: Role, tmp_path: Path, text: str, said: str
) -> None:
    bad = query("bad", text, timeout_seconds=1)
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, bad, ORDER) as tools:
        assert said in await tools.failure("bad")
        assert await tools.rows("order", id=2) == ANSWER
        assert tools.problems() == ()


async def test_the_server_sends_no_more_rows_than_are_wanted(mariadb: MariaDB, reader: Role, tmp_path: Path) -> None:
    many = query("many", "select seq as n from seq_1_to_100000000", max_rows=3, timeout_seconds=3)
    own = query("own", "select id from orders order by id limit 50", max_rows=3)
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, many, own) as tools:
        note = '"note":"There are more rows than these 3; narrow the question."'
        assert (await tools.call("many")).content == f'{{"rows":[{{"n":1}},{{"n":2}},{{"n":3}}],{note}}}'
        assert (await tools.call("own")).content == f'{{"rows":[{{"id":1}},{{"id":2}},{{"id":3}}],{note}}}'


@pytest.mark.parametrize(
    ("grant", "power"),
    [
        pytest.param("grant insert on {database}.orders to {user}", "has the privilege INSERT on", id="inserts"),
        pytest.param(
            "grant update (status) on {database}.orders to {user}", "has the privilege UPDATE on", id="column"
        ),
        pytest.param("grant file on *.* to {user}", "has the privilege FILE on *.*", id="files"),
        pytest.param(
            "grant all privileges on *.* to {user}", "has the privilege ALL PRIVILEGES on *.*", id="everything"
        ),
    ],
)
async def test_a_role_that_may_do_more_than_read_is_a_problem(
    mariadb: MariaDB, reader: Role, tmp_path: Path, grant: str, power: str
) -> None:
    mariadb.sql(grant.format(database=reader.database, user=f"{reader.username}@'%'"))
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, ORDER) as tools:
        [problem] = await tools.look()
        assert problem.reason == "RoleTooPowerful"
        assert f"The role {power}" in problem.message
        assert await tools.rows("order", id=2) == ANSWER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"database": "nothing"}, "LoginRefused", id="forbidden-database"),
        pytest.param({"tls": TlsConfig()}, "CertificateRefused", id="unknown-authority"),
        pytest.param({"allowed_cidrs": ()}, "AddressRefused", id="address-not-allowed"),
        pytest.param({"port": 1}, "Unreachable", id="nobody-listens"),
    ],
)
async def test_what_is_wrong_with_a_connection_is_a_problem(
    mariadb: MariaDB, reader: Role, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    async with sql_tools(connection(mariadb, reader, tmp_path, **changes), tmp_path, ORDER) as tools:
        [problem] = await tools.look()
        assert problem.reason == reason
        assert reader.password not in problem.message and reader.username not in problem.message


@pytest.mark.parametrize("mode", ["Required", "VerifyCA", "Disabled"])
async def test_each_mode_of_encryption_works(mariadb: MariaDB, reader: Role, tmp_path: Path, mode: str) -> None:
    tls = {"mode": mode, "ca_file": "ca" if mode == "VerifyCA" else ""}
    async with sql_tools(connection(mariadb, reader, tmp_path, tls=tls), tmp_path, ORDER) as tools:
        assert await tools.rows("order", id=2) == ANSWER


async def test_a_server_that_wants_a_certificate_gets_it(mariadb: MariaDB, reader: Role, tmp_path: Path) -> None:
    mariadb.sql(f"alter user {reader.username}@'%' require x509")
    certificate, key = mariadb.client_certificate()
    (tmp_path / "cert").write_text(certificate)
    (tmp_path / "cert-key").write_text(key)
    (tmp_path / "bundle").write_text(certificate + key)
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, ORDER) as tools:
        assert [problem.reason for problem in await tools.look()] == ["LoginRefused"]
    for files in ({"client_cert_file": "cert", "client_key_file": "cert-key"}, {"client_cert_file": "bundle"}):
        tls = TlsConfig.model_validate({"ca_file": "ca"} | files)
        async with sql_tools(connection(mariadb, reader, tmp_path, tls=tls), tmp_path, ORDER) as tools:
            assert await tools.rows("order", id=2) == ANSWER


async def test_a_server_without_encryption_gets_no_password(mariadb: MariaDB, reader: Role, tmp_path: Path) -> None:
    """Somebody in the middle who says that the server knows no TLS must not be believed."""
    said = bytearray()

    async def plain(reader_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = b"\x0a10.11.0-MariaDB\0" + bytes(4) + b"12345678\0" + b"\xff\xf7\x21\x02\x00\x0f\x80\x15" + bytes(10)
        greeting += b"123456789012\0mysql_native_password\0"
        writer.write(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
        said.extend(await reader_.read(65536))
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with sql_tools(connection(mariadb, reader, tmp_path, port=port), tmp_path, ORDER) as tools:
            assert len(await tools.look()) == 1
    assert reader.username.encode() not in said


async def test_rotated_credentials_are_used_without_a_restart(mariadb: MariaDB, reader: Role, tmp_path: Path) -> None:
    who = query("who", "select substring_index(current_user(), '@', 1) as who")
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, who) as tools:
        assert await tools.rows("who") == [{"who": reader.username}]
        new = mariadb.reader(reader.database)
        written(tmp_path, new)
        assert await tools.rows("who") == [{"who": new.username}]


async def test_a_database_that_goes_away_is_a_problem_until_it_is_back(
    mariadb: MariaDB, reader: Role, tmp_path: Path
) -> None:
    async with sql_tools(connection(mariadb, reader, tmp_path), tmp_path, ORDER) as tools:
        assert await tools.rows("order", id=2) == ANSWER
        mariadb.process.stop()
        try:
            assert await tools.failure("order", id=2) == "The database of this tool cannot be reached at the moment."
            assert [problem.reason for problem in await tools.look()] == ["Unreachable"]
        finally:
            mariadb.process.start()
        assert await tools.rows("order", id=2) == ANSWER
        assert tools.problems() == ()
