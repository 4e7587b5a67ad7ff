"""Rows as the model reads them: JSON that is always whole, with a note wherever something is left out."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

import orjson

from smarter_runtime.tools.sql.query import Rows

MAX_CELL_CHARACTERS = 4000
_NOTE_CHARACTERS = 200
_EMPTY = '{"rows":[]}'


def as_text(found: Rows, max_characters: int) -> str:
    """Return the rows as JSON of at most `max_characters`."""
    if not found.rows:
        return _EMPTY
    names = _distinct(found.columns)
    room = max_characters - _NOTE_CHARACTERS
    kept: list[str] = []
    for row in found.rows:
        written = _json(dict(zip(names, map(cell, row), strict=True)))
        room -= len(written) + 1
        if room < 0:
            break
        kept.append(written)
    notes = " ".join(_notes(found, len(kept)))
    note = f',"note":{_json(notes)}' if notes else ""
    return f'{{"rows":[{",".join(kept)}]{note}}}'


def cell(value: Any) -> Any:
    """Return a value of a database as a value of JSON."""
    if isinstance(value, list | tuple | dict):
        return _nested(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes of binary data]"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    # JSON knows neither larger whole numbers nor infinite ones.
    is_plain = value is None or (isinstance(value, int) and abs(value) < 2**63)
    if is_plain or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _short(str(value))


def _nested(value: Any) -> Any:
    """Return lists and objects as they are, unless they are so long that they must be cut."""
    inside = [cell(each) for each in value] if isinstance(value, list | tuple) else value
    written = _json(inside)
    return inside if len(written) <= MAX_CELL_CHARACTERS else _short(written)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        # Halves of characters, or deeper than anybody reads.
        return orjson.dumps(_short(repr(value))).decode()


def _short(text: str) -> str:
    # A database may hold halves of characters, which JSON cannot say.
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= MAX_CELL_CHARACTERS:
        return text
    return f"{text[:MAX_CELL_CHARACTERS]}… [cut: {len(text)} characters]"


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return names that are all different: two columns of a query may be called the same."""
    seen: Counter[str] = Counter()
    names = []
    for number, column in enumerate(columns, start=1):
        name = column or f"column_{number}"
        seen[name] += 1
        while seen[name] > 1 and f"{name}_{seen[name]}" in columns:
            seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def _notes(found: Rows, kept: int) -> Iterator[str]:
    if kept < len(found.rows):
        yield f"Only the first {kept} rows fit; ask for fewer or narrower rows."
    elif found.has_more:
        yield f"There are more rows than these {kept}; narrow the question."
