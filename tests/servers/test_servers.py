import signal
import socket
import ssl

import pytest

from support.postgresql import PostgreSQL
from support.redis_server import Redis
from support.server_process import program


def test_postgresql_speaks_sql_and_gives_each_test_a_database_of_its_own(postgresql: PostgreSQL) -> None:
    mine, yours = postgresql.database(), postgresql.database()
    postgresql.sql("create table notes (text text); insert into notes values ('here'), ('too')", mine.database)
    assert postgresql.sql("select text from notes order by text", mine.database) == "here\ntoo"
    assert postgresql.sql("select count(*) from pg_tables where tablename = 'notes'", yours.database) == "0"


def test_the_owner_of_a_database_is_no_superuser(postgresql: PostgreSQL) -> None:
    role = postgresql.database()
    assert postgresql.sql(f"select rolsuper, rolcreatedb from pg_roles where rolname = '{role.username}'") == "f|f"


def test_postgresql_offers_tls(postgresql: PostgreSQL) -> None:
    assert postgresql.sql("show ssl") == "on"


def test_redis_wants_a_password(redis_server: Redis) -> None:
    with socket.create_connection((redis_server.host, redis_server.port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")
    assert redis_server.command("PING") == "PONG"


def test_redis_speaks_tls_with_a_certificate_of_its_authority(redis_server: Redis) -> None:
    context = ssl.create_default_context(cafile=str(redis_server.authority))
    with (
        socket.create_connection((redis_server.host, redis_server.tls_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_redis_can_be_away_for_a_while_and_keeps_what_it_has(redis_server: Redis, how: signal.Signals) -> None:
    redis_server.command("SET", f"kept-{how.name}", "yes")
    redis_server.process.stop(how)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((redis_server.host, redis_server.port), timeout=5).close()
    redis_server.process.start()
    assert redis_server.command("GET", f"kept-{how.name}") == "yes"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_postgresql_can_be_away_for_a_while(postgresql: PostgreSQL, how: signal.Signals) -> None:
    role = postgresql.database()
    postgresql.process.stop(how)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((postgresql.host, postgresql.port), timeout=5).close()
    postgresql.process.start()
    assert postgresql.sql("select current_database()", role.database) == role.database


def test_a_server_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(AssertionError, match="no-such-server is not installed; `make test-servers` installs it"):
        program("no-such-server", "/no/such/*/folder")
