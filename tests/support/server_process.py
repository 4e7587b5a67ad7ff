"""Other people's servers on loopback: each with a folder, a free port and an unprivileged user of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from smarter_cluster.pki import Authority, KeyPair, Subject

HOST = "127.0.0.1"
UNPRIVILEGED = ("nobody", "nogroup")
SECONDS_TO_START = 60
SECONDS_TO_END = 30


class ServerProcess:
    """A server that can be ended and started again on the same folder and port."""

    def __init__(
        self, folder: Path, command: Sequence[str], serves: Callable[[], bool], ends_by: signal.Signals = signal.SIGTERM
    ) -> None:
        self._command = [*_lowered(ends_by), *command]
        self._serves = serves
        self._ends_by = ends_by
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self.log = folder / "server.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log)
        end = time.monotonic() + SECONDS_TO_START
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop(signal.SIGKILL)
                said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise AssertionError(f"{self._command[-1]!r} does not serve; its log ends: {said}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it and wait for the end; without `how` in the way that the server likes best."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how or self._ends_by)
        self._process.wait(SECONDS_TO_END)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, which: signal.Signals) -> None:
        """Send a signal, as SIGSTOP to a server that is to hang."""
        assert self._process is not None
        self._process.send_signal(which)


def run(command: Sequence[str], **environment: str) -> str:
    """Run a program of a server to its end, as the user that the server runs as."""
    inherited = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*_lowered(signal.SIGKILL), *command], env=inherited | environment, cwd="/", capture_output=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """Make a folder that the servers' user may enter and keep its data in; pytest's are for root alone."""
    made = Path(tempfile.mkdtemp(prefix=f"smarter-{name}-"))
    try:
        yield owned(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def owned(path: Path) -> Path:
    """Give a file or folder to the user that the servers run as."""
    if os.geteuid() == 0:
        shutil.chown(path, *UNPRIVILEGED)
    return path


def certificate(inside: Path) -> tuple[KeyPair, Path]:
    """Return a certificate for 127.0.0.1 and localhost, and the file with the authority that signed it."""
    authority = Authority(inside / "pki", "Authority of a test")
    pair = authority.issue("server", Subject(name="localhost", hosts=(HOST, "localhost")))
    for file in (authority.folder, pair.key, pair.certificate, authority.pair.certificate):
        owned(file)
    return pair, authority.pair.certificate


def program(name: str, *patterns: str) -> str:
    """Return the path of an installed program, from the command's name or from where Debian puts it."""
    # The highest version: patterns have versions in them.
    found = sorted(str(path) for pattern in patterns for path in Path("/").glob(pattern.removeprefix("/")))
    path = found[-1] if found else shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is not installed; `make test-servers` installs it when root runs it.")
    return path


def _lowered(death: signal.Signals) -> tuple[str, ...]:
    """Return the command that drops root, and lets the server end with the tests, however these end."""
    user, group = UNPRIVILEGED
    lower = (f"--reuid={user}", f"--regid={group}", "--clear-groups") if os.geteuid() == 0 else ()
    return ("setpriv", f"--pdeathsig={death.name.removeprefix('SIG')}", *lower, "--")
