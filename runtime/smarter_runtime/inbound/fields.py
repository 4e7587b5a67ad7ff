"""The fields that a request may have, apart from the conversation itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.inbound import Reader
from smarter_runtime.inbound.values import Given, flag, mapping, needs_api_key


@dataclass(frozen=True, kw_only=True)
class Table:
    """What becomes of each field of one format; a field that is in none of these is unknown."""

    honoured: frozenset[str]
    overridden: frozenset[str]
    """Accepted and set by the chatbot itself."""
    with_key: frozenset[str]
    """Honoured for callers with an ApiKey; refused for all others."""
    refused: Mapping[str, str]
    """Why it cannot be had."""
    harmless: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of refused fields that ask for nothing; some clients always send them."""


def fields(body: Any, table: Table, reader: Reader) -> Given:
    """Return the fields of `body` that are set and may be.

    Raises:
        ApiError: with a sentence that names the first field that may not.
    """
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    given = {name: value for name, value in body.items() if value is not None}
    for name, value in given.items():
        _check(name, value, table, reader)
    _check_model(given.get("model"), reader)
    return given


def _check(name: str, value: Any, table: Table, reader: Reader) -> None:
    if name in table.with_key:
        if not reader.has_key:
            raise needs_api_key(f"`{name}` can be set with an API key only; leave it out.", name)
    elif name in table.refused:
        if value not in table.harmless.get(name, ()):
            raise invalid(table.refused[name], name, "unsupported_parameter")
    elif name not in table.honoured and name not in table.overridden:
        raise invalid(f"Unknown field {name[:64]!r}; leave it out.", name[:64], "unknown_parameter")


def _check_model(model: Any, reader: Reader) -> None:
    if model is not None and model not in (reader.model, reader.bot):
        message = f"There is no such model here; use {reader.model!r} or leave `model` out."
        raise ApiError(404, "model_not_found", message, param="model")


def includes_usage(value: Any, stream: bool) -> bool:
    """Read `stream_options`."""
    if value is None:
        return False
    if not stream:
        raise invalid("`stream_options` goes with `stream: true` only.", "stream_options")
    options = mapping(value, "stream_options")
    if set(options) - {"include_usage", "include_obfuscation"}:
        raise invalid("`stream_options` may hold `include_usage` only.", "stream_options")
    return bool(flag(options, "include_usage"))
