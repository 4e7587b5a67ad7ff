"""Values that YAML writes as strings, such as a parameter's `default` and `enum`, read by the parameter's type."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from smarter_crds.parameters import ParameterType

MOST = 2**63 - 1
"""The largest whole number; what is beyond neither databases nor JSON libraries agree on."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)


def typed(kind: ParameterType, text: str) -> Any:
    """Return the value that `text` stands for.

    Raises:
        ValueError: when it is no value of that type; the message is a noun, such as `a whole number`.
    """
    return _READERS[kind](text)


def fits(kind: ParameterType, value: Any) -> bool:
    """Tell whether a JSON value is of the type. Whole numbers are numbers; true and false are neither."""
    if isinstance(value, bool):
        return kind == "Boolean"
    if kind == "Integer":
        return (isinstance(value, int) or (isinstance(value, float) and value.is_integer())) and abs(value) <= MOST
    if kind == "Number":
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, _CLASSES[kind])


NOUNS: Mapping[ParameterType, str] = {
    "String": "a string",
    "Integer": "a whole number of 64 bits",
    "Number": "a number",
    "Boolean": "true or false",
    "Array": "a list",
    "Object": "an object",
}
"""What a value of each type is, for people and models."""

_CLASSES: Mapping[ParameterType, type] = {"String": str, "Boolean": bool, "Array": list, "Object": dict}


def _string(text: str) -> str:
    return text


def _integer(text: str) -> int:
    value = int(text) if _INTEGER.fullmatch(text) else MOST + 1
    if not fits("Integer", value):
        raise ValueError(NOUNS["Integer"])
    return value


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(NOUNS["Boolean"])
    return text == "true"


def _json_of(kind: ParameterType) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{NOUNS[kind]} in JSON") from error
        if not fits(kind, value):
            raise ValueError(f"{NOUNS[kind]} in JSON")
        return value

    return read


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


_READERS: Mapping[ParameterType, Callable[[str], Any]] = {
    "String": _string,
    "Integer": _integer,
    "Number": _json_of("Number"),
    "Boolean": _boolean,
    "Array": _json_of("Array"),
    "Object": _json_of("Object"),
}
