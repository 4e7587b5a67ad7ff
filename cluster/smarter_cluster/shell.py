"""Short commands of the system: run to their end, with failures told in their own words."""

import subprocess
from collections.abc import Sequence

from smarter_cluster.errors import ClusterError


def run(command: Sequence[str], stdin: str | None = None) -> str:
    """Run a command and return what it prints."""
    try:
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(f"The command {command[0]!r} is missing; install it and try again.") from error
    if result.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout


def succeeds(command: Sequence[str]) -> bool:
    """Whether a command exists and ends well."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
