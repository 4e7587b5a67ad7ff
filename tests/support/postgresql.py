"""A PostgreSQL server for tests."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.operator_process import free_port
from support.server_process import HOST, ServerProcess, certificate, folder, owned, program, run

SUPERUSER = "postgres"
_PROGRAMS = "/usr/lib/postgresql/*/bin"
# With and without TLS, by password: which of the two is used is for the client to say.
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"
# Nothing here outlives the machine, so nothing waits for the disk; the end of the server it must outlive.
_FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


@dataclass(frozen=True)
class Role:
    """Who logs in to which database."""

    username: str
    password: str
    database: str


@dataclass(frozen=True)
class PostgreSQL:
    """A running server; `process` ends it and starts it again."""

    port: int
    superuser: Role
    authority: Path
    """The file with the certificate that signed the server's."""
    process: ServerProcess
    host: str = HOST

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements as the superuser; returns the values, one row per line and separated by `|`."""
        psql = program("psql", f"{_PROGRAMS}/psql")
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        where = f"host={HOST} port={self.port} user={SUPERUSER} dbname={database} sslmode=disable"
        return run([psql, *options, "-c", statements, where], PGPASSWORD=self.superuser.password).strip()

    def database(self) -> Role:
        """Make an empty database whose owner can do nothing else."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(12)
        self.sql(f"create role {name} login password '{password}'")
        self.sql(f"create database {name} owner {name}")
        return Role(name, password, name)


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    with folder("postgresql") as place:
        data, port, password = place / "data", free_port(), secrets.token_hex(12)
        pair, authority = certificate(place)
        _make(data, password, place)
        options = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": str(pair.certificate),
            "ssl_key_file": str(pair.key),
            **_FAST,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [program("postgres", f"{_PROGRAMS}/postgres"), *settings, "-D", str(data)]
        ready = [program("pg_isready", f"{_PROGRAMS}/pg_isready"), "--quiet", "--host", HOST, "--port", str(port)]
        process = ServerProcess(place, command, lambda: _succeeds(ready), signal.SIGINT)
        try:
            process.start()
            yield PostgreSQL(port, Role(SUPERUSER, password, "postgres"), authority, process)
        finally:
            process.stop()


def _make(data: Path, password: str, place: Path) -> None:
    file = place / "password"
    file.write_text(password, encoding="utf-8")
    owned(file)
    initdb = program("initdb", f"{_PROGRAMS}/initdb")
    options = ("--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={SUPERUSER}", f"--pwfile={file}")
    run([initdb, *options, "--pgdata", str(data)])
    (data / "pg_hba.conf").write_text(_ACCESS, encoding="utf-8")


def _succeeds(command: list[str]) -> bool:
    try:
        run(command)
    except AssertionError:
        return False
    return True
