"""Programs that go on running after the command that started them, and the proof that a process is one of them."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import files
from smarter_cluster.errors import ClusterError

# The identity is written by the process itself before it becomes the program: no moment without a record.
LAUNCH = """\
read -r boot < /proc/sys/kernel/random/boot_id
read -r stat < "$1/self/stat"
echo "$boot $stat" > "$0"
shift
exec "$@"
"""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """What no second process can share: a pid alone is given out again."""

    boot: str
    pid: int
    started: int


@dataclass(frozen=True, kw_only=True)
class Component:
    """One program of the cluster: how it is started and how to tell that it serves."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 90
    enter: tuple[str, ...] = ()
    """The command that takes the program into other namespaces."""
    proc: str = "/proc"
    """The procfs of the machine as seen from there."""


def parse_identity(record: str) -> Identity | None:
    """Read what LAUNCH wrote: the boot's id and the line of /proc/PID/stat, whose second field may hold anything."""
    head, _, tail = record.strip().rpartition(")")
    fields = tail.split()
    words = head.split(maxsplit=2)
    if len(fields) < 20 or len(words) < 3:
        return None
    return Identity(boot=words[0], pid=int(words[1]), started=int(fields[19]))


def identity_of(pid: int) -> Identity | None:
    """The identity of a process that runs now; a zombie does not, unless threads of it still do.

    A process killed a moment ago looks like that: its other threads hold the ports it listened at a little longer.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX" and int(fields[17]) <= 1:
        return None
    return parse_identity(f"{BOOT_ID.read_text().strip()} {stat}")


class Processes:
    """The programs of one cluster, kept by records in its folder."""

    def __init__(self, state: Path, stop_seconds: float = 10) -> None:
        self._stop_seconds = stop_seconds
        self._pids = state / "pids"
        self._logs = state / "logs"

    def names(self) -> list[str]:
        return sorted(path.name for path in self._pids.glob("*") if not path.suffix)

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """The pid of a component that runs, else None; never that of a stranger."""
        record = self._pids / name
        known = parse_identity(record.read_text()) if record.is_file() else None
        return known.pid if known and identity_of(known.pid) == known else None

    def start(self, components: Sequence[Component]) -> list[str]:
        """Have all components run as described; return the names of those started."""
        return [component.name for component in components if self._start_unless_running(component)]

    def wait(self, components: Sequence[Component]) -> None:
        """Wait until all components serve."""
        for component in components:
            self._wait_ready(component)

    def ensure(self, components: Sequence[Component]) -> list[str]:
        """Start what does not run, and wait until all components serve; return the names of those started."""
        started = self.start(components)
        self.wait(components)
        return started

    def stop(self, name: str) -> None:
        """End one component, by force when it does not go by itself."""
        self._end(name, (signal.SIGTERM, signal.SIGKILL))

    def kill(self, name: str) -> None:
        """End one component at once, for when nothing of it will be needed again."""
        self._end(name, (signal.SIGKILL,))

    def _end(self, name: str, signals: Sequence[signal.Signals]) -> None:
        pid = self.pid(name)
        if pid is not None:
            _end(pid, signals, self._stop_seconds)
        for path in (self._pids / name, self._command_file(name)):
            path.unlink(missing_ok=True)

    def _start_unless_running(self, component: Component) -> bool:
        wanted = json.dumps([*component.enter, *component.command])
        command_file = self._command_file(component.name)
        if self.pid(component.name) is not None:
            if command_file.is_file() and command_file.read_text() == wanted:
                return False
            self.stop(component.name)
        self._start(component)
        files.write(command_file, wanted)
        return True

    def _start(self, component: Component) -> None:
        record, log = self._pids / component.name, self.log(component.name)
        for folder in (self._pids, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        launch = ["setsid", "--fork", "sh", "-c", LAUNCH, str(record), component.proc, *component.command]
        with log.open("wb") as output:
            subprocess.run(
                [*component.enter, *launch], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if not wait_until(lambda: record.is_file() and parse_identity(record.read_text()) is not None, 10):
            raise self._failure(component)

    def _wait_ready(self, component: Component) -> None:
        def settled() -> bool:
            return self.pid(component.name) is None or component.ready()

        if not wait_until(settled, component.ready_seconds) or self.pid(component.name) is None:
            raise self._failure(component)

    def _failure(self, component: Component) -> ClusterError:
        log = self.log(component.name)
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.is_file() else []
        how = "ended" if self.pid(component.name) is None else f"is not ready after {component.ready_seconds:.0f} s"
        head = f"{component.name} {how}; the end of its log {log}:"
        return ClusterError("\n".join([head, *(f"  {line}" for line in lines)]))

    def _command_file(self, name: str) -> Path:
        return self._pids / f"{name}.command"


def wait_until(check: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Ask until the answer is yes; False when it was not within `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def _end(pid: int, signals: Sequence[signal.Signals], seconds: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in signals:
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], seconds)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
