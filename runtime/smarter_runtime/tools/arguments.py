"""Checks the arguments of a call against the part of JSON Schema that our own tools' parameters use."""

from collections.abc import Mapping
from typing import Any

from smarter_runtime.tools import Arguments, ToolFailed

Schema = Mapping[str, Any]
_TYPES: Mapping[str, tuple[type, str]] = {"string": (str, "a string"), "integer": (int, "a whole number")}


def parameters(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with these members and no other."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def check(arguments: Arguments, schema: Schema) -> None:
    """Compare `arguments` with what `parameters` made.

    Raises:
        ToolFailed: at the first argument that does not fit.
    """
    properties = schema["properties"]
    for name in arguments:
        if name not in properties:
            raise ToolFailed(f"There is no parameter {name[:64]!r}; there are {sorted(properties)}.")
    for name in schema["required"]:
        if name not in arguments:
            raise ToolFailed(f"{name!r} is missing: {properties[name]['description']}")
    for name, value in arguments.items():
        _check_value(name, value, properties[name])


def _check_value(name: str, value: Any, schema: Schema) -> None:
    kind, words = _TYPES[schema["type"]]
    # To Python, true and false are whole numbers, too.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ToolFailed(f"{name!r} must be {words}.")
    if "enum" in schema and value not in schema["enum"]:
        raise ToolFailed(f"{name!r} must be one of {schema['enum']}.")
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        raise ToolFailed(f"{name!r} may have at most {schema['maxLength']} characters.")
    if isinstance(value, int) and not schema["minimum"] <= value <= schema["maximum"]:
        raise ToolFailed(f"{name!r} must be between {schema['minimum']} and {schema['maximum']}.")
