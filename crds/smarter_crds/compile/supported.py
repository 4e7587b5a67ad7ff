"""Whether a field works, and the refusal of what is set and does not, so that nothing is silently ignored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smarter_crds.base import ApiModel
from smarter_crds.compile.problems import Problem


@dataclass(frozen=True)
class Support:
    """Whether a field works: with all values, with `values` only, or not at all."""

    works: bool
    values: tuple[str | bool, ...] = ()


YES = Support(True)
NO = Support(False)


def only(*values: str | bool) -> Support:
    """Say that a field works with `values` and with no other."""
    return Support(True, values)


def unsupported(spec: ApiModel, table: Mapping[str, Support]) -> tuple[Problem, ...]:
    """Return a problem for everything that is set in `spec` and does not work yet."""
    return tuple(_unsupported(spec, table, ""))


def _unsupported(part: ApiModel, table: Mapping[str, Support], prefix: str) -> Iterator[Problem]:
    for name, value in set_fields(part):
        path = prefix + name
        support = table[path]
        if not support.works:
            yield Problem("NotSupported", f"`spec.{path}` is not supported yet; remove it.")
        elif support.values and value not in support.values:
            choices = " or ".join(f"`{_yaml(choice)}`" for choice in support.values)
            message = f"`spec.{path}: {_yaml(value)}` is not supported yet; use {choices}."
            yield Problem("NotSupported", message)
        elif isinstance(value, ApiModel):
            yield from _unsupported(value, table, f"{path}.")
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, ApiModel):
                    yield from _unsupported(item, table, f"{path}[].")


def set_fields(part: ApiModel) -> Iterator[tuple[str, Any]]:
    """Yield the fields of `part` that ask for something, by their names in YAML; an empty list or object does not."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name in part.model_fields_set and not _asks_nothing(value):
            yield field.alias or name, value


def _asks_nothing(value: object) -> bool:
    if isinstance(value, ApiModel):
        return not any(True for _ in set_fields(value))
    return value is None or value in ((), {})


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
