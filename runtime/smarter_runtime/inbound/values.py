"""Reads single values of a request; each fault is a sentence that names the field."""

from collections.abc import Mapping, Sequence
from typing import Any

from smarter_runtime.errors import ApiError, invalid

Given = Mapping[str, Any]


def mapping(value: Any, place: str) -> Given:
    if not isinstance(value, dict):
        raise invalid(f"`{place}` must be an object.", place)
    return value


def items(value: Any, place: str, at_most: int) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(f"`{place}` must be a list.", place)
    if len(value) > at_most:
        raise invalid(f"`{place}` has {len(value)} entries; at most {at_most} are read.", place)
    return value


def text(given: Given, name: str, place: str, *, most: int | None = None) -> str:
    """Return a text that must be there and have something in it."""
    value = given.get(name)
    where = f"{place}.{name}" if place else name
    if not isinstance(value, str) or not value:
        raise invalid(f"`{where}` must be a text.", where)
    if most is not None and len(value) > most:
        raise invalid(f"`{where}` may have at most {most} characters.", where)
    return value


def optional_text(given: Given, name: str, place: str, *, most: int) -> str:
    return text(given, name, place, most=most) if given.get(name) else ""


def flag(given: Given, name: str) -> bool | None:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"`{name}` must be true or false.", name)
    return value


def integer(given: Given, name: str, *, least: int | None = None) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(f"`{name}` must be a whole number.", name)
    if least is not None and value < least:
        raise invalid(f"`{name}` must be at least {least}.", name)
    return value


def number(given: Given, name: str, least: float, most: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(f"`{name}` must be a number from {least:g} to {most:g}.", name)
    return float(value)


def only(given: Given, known: Sequence[str] | frozenset[str], place: str) -> None:
    """Refuse members that nobody reads; nulls ask for nothing."""
    for name, inner in given.items():
        if name not in known and inner is not None:
            raise invalid(f"Unknown field {name[:64]!r} in `{place}`; leave it out.", place, "unknown_parameter")


def needs_api_key(message: str, param: str) -> ApiError:
    return ApiError(403, "api_key_required", message, param=param, kind="permission_error")
