"""Data of any form within a resource: whether it is JSON of bounded size."""

import json
from collections.abc import Iterator

from smarter_crds.compile.problems import Problem

MAX_DATA_BYTES = 128 * 1024
MAX_DATA_DEPTH = 32


def check_free_form(place: str, data: object) -> Iterator[Problem]:
    """Yield why `data`, which stands in `place`, cannot be put into a config."""
    if _is_deeper(data, MAX_DATA_DEPTH):
        yield Problem("DataTooDeep", f"{place} is nested more than {MAX_DATA_DEPTH} deep; flatten it.")
        return
    try:
        size = len(canonical(data))
    except (TypeError, ValueError):
        # Only in a manifest that no API server has read.
        yield Problem(
            "InvalidData",
            f"{place} holds something that JSON does not know, such as a date, an infinite number or a key that is "
            "no text; quote it.",
        )
        return
    if size > MAX_DATA_BYTES:
        yield Problem(
            "DataTooLarge",
            f"{place} takes {size} bytes as JSON, and {MAX_DATA_BYTES} are allowed; shorten it, or split it into "
            "several Plugins.",
        )


def canonical(value: object) -> bytes:
    """Return the JSON of `value` with sorted keys and without blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether `value` is nested deeper than `levels`, without recursion of its own depth."""
    layer = [value]
    for _ in range(levels):
        layer = [child for parent in layer for child in _children(parent)]
    return any(isinstance(value, dict | list) for value in layer)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []
