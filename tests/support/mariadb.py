"""A MariaDB server for tests."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster.pki import Authority, Subject
from support.operator_process import free_port
from support.postgresql import Role
from support.server_process import HOST, ServerProcess, certificate, folder, program, run

_SUPERUSER = "root"


@dataclass(frozen=True)
class MariaDB:
    """A running server; `process` ends it and starts it again."""

    port: int
    place: Path
    authority: Path
    """The file with the certificate that signed the server's."""
    process: ServerProcess
    host: str = HOST

    def sql(self, statements: str, database: str = "mysql") -> str:
        """Run statements as the superuser; returns the values, one row per line and separated by tabs."""
        client = program("mariadb")
        options = ("--no-defaults", "--batch", "--skip-column-names", f"--socket={self.place / 'socket'}")
        return run([client, *options, f"--user={_SUPERUSER}", database, "-e", statements]).strip()

    def database(self) -> Role:
        """Make an empty database with a user who may do everything in it."""
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(12)
        self.sql(f"create database {name} character set utf8mb4")
        self.sql(f"create user {name}@'%' identified by '{password}'; grant all privileges on {name}.* to {name}@'%'")
        return Role(name, password, name)

    def client_certificate(self) -> tuple[str, str]:
        """Return a certificate that the server accepts of a client, and its key."""
        authority = Authority(self.place / "pki", "Authority of a test")
        pair = authority.issue("client", Subject(name="client"))
        return pair.certificate.read_text(), pair.key.read_text()

    def reader(self, database: str) -> Role:
        """Make a user who may read the database and nothing else."""
        name, password = f"reader_{secrets.token_hex(6)}", secrets.token_hex(12)
        self.sql(f"create user {name}@'%' identified by '{password}'; grant select on {database}.* to {name}@'%'")
        return Role(name, password, database)


@contextmanager
def running_mariadb() -> Iterator[MariaDB]:
    with folder("mariadb") as place:
        data, port = place / "data", free_port()
        pair, authority = certificate(place)
        install = program("mariadb-install-db")
        run(
            [
                install,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
        )
        options = {
            "datadir": data,
            "bind-address": HOST,
            "port": port,
            "socket": place / "socket",
            "pid-file": place / "pid",
            "ssl-cert": pair.certificate,
            "ssl-key": pair.key,
            "ssl-ca": authority,
            # Nothing here outlives the tests, so nothing waits for the disk.
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "32M",
            "secure-file-priv": "",
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        command = [program("mariadbd"), "--no-defaults", *settings]
        ask = [
            program("mariadb-admin"),
            "--no-defaults",
            f"--socket={place / 'socket'}",
            f"--user={_SUPERUSER}",
            "ping",
        ]
        process = ServerProcess(place, command, lambda: _succeeds(ask), signal.SIGTERM)
        try:
            process.start()
            yield MariaDB(port, place, authority, process)
        finally:
            process.stop()


def _succeeds(command: list[str]) -> bool:
    try:
        run(command)
    except AssertionError:
        return False
    return True
