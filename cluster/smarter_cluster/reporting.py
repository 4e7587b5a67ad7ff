"""How the cluster tells what it is doing."""

from collections.abc import Callable

Say = Callable[[str], None]
"""Shows one line to whoever waits."""
