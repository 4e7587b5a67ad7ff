"""Reads parts of JSON that a stranger wrote: what has the wrong type counts as empty."""

from collections.abc import Mapping
from typing import Any

import orjson


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def json_object(text: str) -> str:
    """Return `text` if it is a JSON object, else an empty one.

    Servers whose chat templates read the arguments of earlier calls fail on what the model itself got wrong.
    """
    try:
        return text if isinstance(orjson.loads(text), dict) else "{}"
    except orjson.JSONDecodeError:
        return "{}"
