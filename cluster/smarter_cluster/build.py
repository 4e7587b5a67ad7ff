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


class Progress:
    """Tells which programs are done, and in long silences that work goes on."""

    def __init__(self, wanted: list[Program], say: Say) -> None:
        self.wanted = wanted
        self._say = say
        self._start = self._spoken = time.monotonic()
        self._packages = 0
        self._told: set[Program] = set()
        names = ", ".join(f"{program.name} {program.version}" for program in wanted)
        say(f"compiling {names}; this happens once, and takes minutes for each where little is cached")

    def compiled(self, package: str) -> None:
        """Take note of a line of `go build -v`: the name of a package, in the end that of a program."""
        self._packages += 1
        finished = [program for program in self.wanted if package.endswith(program.package.lstrip("."))]
        self.done(finished)
        if time.monotonic() - self._spoken > HEARTBEAT_SECONDS:
            self._tell(f"    … {time.monotonic() - self._start:.0f} s, {self._packages} packages")

    def done(self, finished: Iterable[Program]) -> None:
        """Tell of programs that were not told of yet."""
        for program in finished:
            if program not in self._told:
                self._told.add(program)
                position = f"[{len(self._told)}/{len(self.wanted)}]"
                self._tell(f"{position} {program.name} {program.version} … {time.monotonic() - self._start:.0f} s")

    def _tell(self, line: str) -> None:
        self._spoken = time.monotonic()
        self._say(line)


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
            progress = Progress(self.missing(wanted), self._say)
            for family, members in groupby(progress.wanted, key=lambda program: program.family):
                self._compile(family, list(members), progress)

    def _compile(self, family: str, batch: list[Program], progress: Progress) -> None:
        with files.scratch(self._cache) as folder:
            source, output = folder / "source", folder / "output"
            shutil.copytree(programs.SOURCES / family, source)
            output.mkdir()
            self._go_build(source, output, batch, progress)
            for program in batch:
                target = self.path(program.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                files.publish(output / program.built, target)

    def _go_build(self, source: Path, output: Path, batch: list[Program], progress: Progress) -> None:
        go = toolchain.go(self._cache, self._say)
        options = ("-v", "-trimpath", "-ldflags", programs.link_flags(), "-o", f"{output}/")
        command = [*NO_CGO, go, "build", *options, *(program.package for program in batch)]
        lines: list[str] = []
        with subprocess.Popen(command, cwd=source, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                lines.append(line.rstrip())
                progress.compiled(lines[-1])
        if process.returncode:
            tail = "\n".join(f"  {line}" for line in lines[-15:])
            raise ClusterError(f"`{' '.join(command)}` failed:\n{tail}")
        progress.done(batch)
