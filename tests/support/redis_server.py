"""A Redis server for tests."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.operator_process import free_port
from support.server_process import HOST, ServerProcess, certificate, folder, owned, program, run

USERNAME = "smarter"


@dataclass(frozen=True)
class Redis:
    """A running server; `process` ends it and starts it again, and what is in it stays."""

    port: int
    """Without TLS."""
    tls_port: int
    username: str
    password: str
    authority: Path
    """The file with the certificate that signed the server's."""
    process: ServerProcess
    host: str = HOST

    def command(self, *words: str) -> str:
        """Run one command, as a person would with redis-cli."""
        return _cli(self.port, self.password, *words).strip()

    def set_password(self, password: str) -> "Redis":
        """Let the user in with another password from now on; connections that stand stay."""
        self.command("ACL", "SETUSER", self.username, "resetpass", f">{password}")
        return Redis(self.port, self.tls_port, self.username, password, self.authority, self.process)


@contextmanager
def running_redis() -> Iterator[Redis]:
    with folder("redis") as place:
        port, tls_port, password = free_port(), free_port(), secrets.token_hex(12)
        pair, authority = certificate(place)
        lines = (
            f"bind {HOST}",
            f"port {port}",
            f"tls-port {tls_port}",
            f"tls-cert-file {pair.certificate}",
            f"tls-key-file {pair.key}",
            f"tls-ca-cert-file {authority}",
            "tls-auth-clients no",
            # Not off: the file is read back as this user, and Redis 7.0 leaves out transactions that it may not do.
            f"user default on >{secrets.token_hex(12)} ~* &* +@all",
            f"user {USERNAME} on >{password} ~* &* +@all",
            f"dir {place}",
            "appendonly yes",
            'save ""',
            "databases 16",
        )
        settings = place / "redis.conf"
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        owned(settings)
        command = [program("redis-server", "/usr/bin/redis-server"), str(settings)]
        process = ServerProcess(place, command, lambda: _answers(port, password))
        try:
            process.start()
            yield Redis(port, tls_port, USERNAME, password, authority, process)
        finally:
            process.stop()


def _cli(port: int, password: str, *words: str) -> str:
    where = ("-h", HOST, "-p", str(port), "--user", USERNAME, "-e")
    return run([program("redis-cli"), *where, *words], REDISCLI_AUTH=password)


def _answers(port: int, password: str) -> bool:
    try:
        return "PONG" in _cli(port, password, "PING")
    except AssertionError:
        return False
