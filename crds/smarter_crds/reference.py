"""Writes the reference pages for users from the models: every field of every kind, and what works today."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smarter_crds.base import GROUP, VERSION
from smarter_crds.compile.support import NOTES, SUPPORT, Support
from smarter_crds.kinds import KINDS, Kind
from smarter_crds.schema import Schema, structural_schema
from smarter_crds.usage import UsageRecord

_NOTE = "<!-- Generated from the models in crds/smarter_crds by `make generate`; edits are lost. -->\n"


@dataclass(frozen=True)
class FieldDoc:
    """One field of a resource; `[]` in its path stands for each item of a list."""

    path: str
    schema: Schema
    required: bool


def fields(schema: Schema, prefix: str = "") -> Iterator[FieldDoc]:
    """Yield every field below `schema`, parents before their members."""
    for name, member in schema.get("properties", {}).items():
        path = prefix + name
        yield FieldDoc(path, member, name in schema.get("required", ()))
        yield from fields(member, f"{path}.")
        yield from fields(member.get("items", {}), f"{path}[].")


def api_reference() -> str:
    """Return the page with every field of every kind."""
    parts = [
        _NOTE,
        f"# The API: `{GROUP}/{VERSION}`\n",
        "Every kind and every field. `[]` in a field's name stands for each item of a list. "
        "References are to the same namespace. [What works today](supported-fields.md) is a page of its own.\n",
        *(_kind(kind) for kind in KINDS.values()),
    ]
    return "\n".join(parts)


def supported_fields() -> str:
    """Return the page that says field by field what works today."""
    parts = [
        _NOTE,
        "# What works today\n",
        "A field that does not work yet is refused when it is set: the resource's condition `Accepted` is `False` with "
        "the reason `NotSupported` and a sentence that names the field. Left out, it refuses nothing.\n",
    ]
    for name, table in SUPPORT.items():
        parts.append(f"## {name}\n")
        if table is None:
            parts.append("The whole kind does not work yet.\n")
            continue
        if name in NOTES:
            parts.append(f"{NOTES[name]}\n")
        spec = structural_schema(KINDS[name].model)["properties"]["spec"]
        rows = ((f"`{field.path}`", _says(support_of(field.path, table))) for field in fields(spec))
        parts.append(_table(("Field of `spec`", "Works"), rows))
    return "\n".join(parts)


def usage_reference() -> str:
    """Return the page with every member of a usage record."""
    schema = structural_schema(UsageRecord)
    rows = ((f"`{field.path}`", _type(field.schema), field.schema["description"]) for field in fields(schema))
    parts = [
        _NOTE,
        "# The usage record\n",
        f"{schema['description']} [How records are collected](../usage.md) is a page of its own. Members whose value "
        "is not known are `null`.\n",
        _table(("Member", "Type", "Meaning"), rows),
    ]
    return "\n".join(parts)


def support_of(path: str, table: Mapping[str, Support]) -> Support:
    """Return what holds for `path`; below what does not work, nothing works."""
    steps = path.split(".")
    for count in range(1, len(steps)):
        above = table.get(".".join(steps[:count]).removesuffix("[]"))
        if above is not None and not above.works:
            return above
    return table[path]


def _kind(kind: Kind) -> str:
    schema = structural_schema(kind.model)
    names = ", ".join(f"`{name}`" for name in (kind.plural, kind.singular, *kind.short_names))
    parts = [f"## {kind.name}\n", f"{schema['description']} {kind.scope}; for `kubectl`: {names}.\n"]
    rules = [rule["message"] for part in _objects(schema) for rule in part.get("x-kubernetes-validations", ())]
    if rules:
        parts.append("Rules over several fields:\n")
        parts.append("".join(f"- {rule}\n" for rule in rules))
    for part in ("spec", "status"):
        if part in schema["properties"]:
            rows = (
                (f"`{field.path}`", _type(field.schema), "yes" if field.required else "", field.schema["description"])
                for field in fields(schema["properties"][part])
            )
            parts.append(_table((f"Field of `{part}`", "Type and limits", "Required", "Meaning"), rows))
    return "\n".join(parts)


def _objects(schema: Schema) -> Iterator[Schema]:
    yield schema
    for member in (*schema.get("properties", {}).values(), schema.get("items", {})):
        if member:
            yield from _objects(member)


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity, as number or string"
    kind = schema.get("type", "any value")
    if kind == "array":
        kind = f"{_list(schema)} of {_type(schema['items'])}"
    elif "additionalProperties" in schema:
        kind = f"map to {_type(schema['additionalProperties'])}"
    elif schema.get("x-kubernetes-preserve-unknown-fields"):
        kind = "free-form object" if kind == "object" else kind
    return ", ".join([kind, *_limits(schema)])


def _list(schema: Schema) -> str:
    if keys := schema.get("x-kubernetes-list-map-keys"):
        return f"list (unique by `{keys[0]}`)"
    return "set" if schema["x-kubernetes-list-type"] == "set" else "list"


def _limits(schema: Schema) -> Iterator[str]:
    for low, high, unit in (
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " members"),
        ("minimum", "maximum", ""),
    ):
        if low in schema and high in schema:
            yield f"{schema[low]} to {schema[high]}{unit}"
        elif high in schema:
            yield f"at most {schema[high]}{unit}"
        elif low in schema:
            yield f"at least {schema[low]}{unit}"
    if "format" in schema:
        yield schema["format"]
    if "pattern" in schema:
        yield f"`{schema['pattern']}`"


def _says(support: Support) -> str:
    if not support.works:
        return "not yet"
    values = ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in support.values)
    return f"only {values}" if values else "yes"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
