"""What the command takes from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def environment() -> dict[str, str]:
    """Return the variables of this process."""
    return dict(os.environ)  # noqa: TID251 - this is where it is read


def with_file(file: Path) -> Mapping[str, str]:
    """Return the variables of `file`, overridden by those of this process; a missing file holds none."""
    found = dotenv_values(file, interpolate=False) if file.is_file() else {}
    return {name: value for name, value in found.items() if value is not None} | environment()
