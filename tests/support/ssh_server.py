"""An SSH server for tests: OpenSSH's own, which lets one user through to other servers and do nothing else."""

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.operator_process import free_port
from support.server_process import HOST, UNPRIVILEGED, ServerProcess, folder, owned, program, run


@dataclass(frozen=True)
class SshServer:
    """A running server; `process` ends it and starts it again."""

    port: int
    username: str
    private_key: str
    """The key with which the user logs in."""
    host_key: str
    """The server's own key, as a line of `known_hosts` without the host."""
    process: ServerProcess
    host: str = HOST

    def stop(self) -> None:
        """End it and every connection through it; each has a process of its own."""
        sessions = psutil.Process(self.process.pid).children(recursive=True)
        self.process.stop()
        for session in sessions:
            with suppress(psutil.NoSuchProcess):
                session.kill()

    @property
    def known_hosts(self) -> str:
        return f"[{self.host}]:{self.port} {self.host_key}\n"


@contextmanager
def running_ssh_server() -> Iterator[SshServer]:
    with folder("sshd") as place:
        port, username = free_port(), UNPRIVILEGED[0] if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        host_key, user_key = _key(place / "host"), _key(place / "user")
        (place / "authorized_keys").write_text(user_key.with_suffix(".pub").read_text())
        lines = (
            f"ListenAddress {HOST}",
            f"Port {port}",
            f"HostKey {host_key}",
            f"AuthorizedKeysFile {place / 'authorized_keys'}",
            "PidFile none",
            # Without PAM, an account without a password counts as locked.
            "UsePAM yes",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "AllowTcpForwarding local",
            "PermitTTY no",
            "ForceCommand /bin/false",
        )
        settings = place / "sshd_config"
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        owned(settings)
        command = [program("sshd", "/usr/sbin/sshd"), "-D", "-e", "-f", str(settings)]
        process = ServerProcess(place, command, lambda: _listens(port))
        try:
            process.start()
            public = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
            yield SshServer(port, username, user_key.read_text(), public, process)
        finally:
            process.stop()


def _key(path: Path) -> Path:
    run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)])
    return path


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
