"""Where a text has a place for a parameter's value: `{name}`."""

import re

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def names(text: str) -> tuple[str, ...]:
    """Return the parameters that `text` has places for, in their order."""
    return tuple(PLACEHOLDER.findall(text))
