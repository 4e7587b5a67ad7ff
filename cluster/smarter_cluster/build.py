"""Compiles missing programs from their published Go modules into the cache."""

import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from smarter_cluster import files, programs, toolchain
from smarter_cluster.errors import ClusterError
from smarter_cluster.programs import Program
from smarter_cluster.reporting import Say

HEARTBEAT_SECONDS = 30
NO_CGO = ("env", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false")


class Programs:
    """The cache of compiled programs: `<program>-<version>/<program>`."""

    def __init__(self, cache: Path, say: Say) -> None:
        self._cache = cache
        self._say = say

    def path(self, name: str) -> Path:
        program = programs.ALL[name]
        return self._cache / program.folder / program.name

    def missing(self, wanted: Iterable[Program]) -> list[Program]:
        return [program for program in wanted if not self.path(program.name).is_file()]

    def ensure(self, wanted: Sequence[Program]) -> None:
        """Compile what is missing; a second caller waits for the first and then finds everything."""
        if not self.missing(wanted):
            return
        with files.locked(self._cache / ".build.lock"):
            missing = self.missing(wanted)
            done = 0
            for family, members in groupby(missing, key=lambda program: program.family):
                batch = list(members)
                self._compile(family, batch, f"[{done + 1}-{done + len(batch)}/{len(missing)}]")
                done += len(batch)

    def _compile(self, family: str, batch: list[Program], position: str) -> None:
        title = ", ".join(f"{program.name} {program.version}" for program in batch)
        self._say(f"{position} compiling {title}")
        with files.scratch(self._cache) as folder:
            source = folder / "source"
            shutil.copytree(programs.SOURCES / family, source)
            output = folder / "output"
            output.mkdir()
            seconds = self._go_build(source, output, batch)
            for program in batch:
                built = output / program.built
                target = self._cache / program.folder / program.name
                target.parent.mkdir(parents=True, exist_ok=True)
                files.publish(built, target)
        self._say(f"{position} … {seconds:.0f} s")

    def _go_build(self, source: Path, output: Path, batch: list[Program]) -> float:
        packages = [program.package for program in batch]
        command = [
            *NO_CGO,
            toolchain.go(self._cache, self._say),
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            programs.link_flags(),
            "-o",
            f"{output}/",
        ]
        start = spoken = time.monotonic()
        lines: list[str] = []
        with subprocess.Popen([*command, *packages], cwd=source, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                lines.append(line.rstrip())
                if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                    spoken = time.monotonic()
                    self._say(f"    {spoken - start:.0f} s, {len(lines)} packages so far")
        if process.returncode:
            tail = "\n".join(f"  {line}" for line in lines[-15:])
            raise ClusterError(f"`go build` of {', '.join(packages)} failed:\n{tail}")
        return time.monotonic() - start
