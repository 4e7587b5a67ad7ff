"""The form that a caller wants the answer in: JSON, or JSON of a schema."""

import re
from typing import Any

from smarter_runtime.errors import invalid
from smarter_runtime.inbound.values import Given, flag, mapping, only, optional_text, text
from smarter_runtime.models import JsonFormat

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SCHEMA_MEMBERS = ("name", "description", "schema", "strict")


def nested_format(value: Any, place: str) -> JsonFormat | None:
    """Read a format as ChatCompletions has it: the schema's members in `json_schema`."""
    if value is None or _kind(value, place) == "text":
        return None
    if value["type"] == "json_object":
        return JsonFormat()
    only(value, ("type", "json_schema"), place)
    place = f"{place}.json_schema"
    schema = mapping(value.get("json_schema"), place)
    only(schema, _SCHEMA_MEMBERS, place)
    return _of_schema(schema, place)


def flat_format(value: Any, place: str) -> JsonFormat | None:
    """Read a format as Responses has it: the schema's members beside `type`."""
    if value is None or _kind(value, place) == "text":
        return None
    if value["type"] == "json_object":
        return JsonFormat()
    only(value, ("type", *_SCHEMA_MEMBERS), place)
    return _of_schema(value, place)


def _kind(value: Any, place: str) -> Any:
    kind = mapping(value, place).get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid(f"`{place}.type` must be 'text', 'json_object' or 'json_schema'.", f"{place}.type")
    return kind


def _of_schema(given: Given, place: str) -> JsonFormat:
    name = text(given, "name", place)
    if not _NAME.fullmatch(name):
        raise invalid(f"`{place}.name` must be 1 to 64 letters, digits, dashes and underscores.", f"{place}.name")
    return JsonFormat(
        name=name,
        description=optional_text(given, "description", place, most=16_384),
        schema=mapping(given.get("schema"), f"{place}.schema"),
        is_strict=flag(given, "strict"),
    )
