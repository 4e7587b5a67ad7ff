"""Turns our models into the schema dialect of Kubernetes: structural, without references, nulls and defaults."""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = ("title", "propertyNames")


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of `model` as a CRD takes it."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    return _structural(schema, definitions)


def _structural(schema: Schema, definitions: Schema) -> Schema:
    schema = _resolved(schema, definitions)
    schema = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    _settle_default(schema)
    _settle_free_form(schema)
    if "properties" in schema:
        schema["properties"] = {name: _structural(member, definitions) for name, member in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = _structural(schema[key], definitions)
    if schema.get("type") == "array":
        schema.setdefault("x-kubernetes-list-type", "atomic")
    return schema


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Put in what `schema` refers to; what stands beside the reference goes before what is referred to."""
    while True:
        if reference := schema.get("$ref"):
            target = definitions[reference.removeprefix("#/$defs/")]
            schema = target | {key: value for key, value in schema.items() if key != "$ref"}
        elif {"type": "null"} in schema.get("anyOf", []):
            [choice] = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
            schema = choice | {key: value for key, value in schema.items() if key != "anyOf"}
        else:
            return schema


def _settle_default(schema: Schema) -> None:
    """Keep a default only where its field asks for it; all others are the platform's business."""
    default = schema.pop("default", None)
    if schema.pop("x-keep-default", False):
        schema["default"] = {name: value for name, value in default.items() if value is not None}


def _settle_free_form(schema: Schema) -> None:
    says_nothing = not any(key in schema for key in ("type", "x-kubernetes-int-or-string"))
    if schema.get("additionalProperties") is True or says_nothing:
        schema.pop("additionalProperties", None)
        schema["x-kubernetes-preserve-unknown-fields"] = True
