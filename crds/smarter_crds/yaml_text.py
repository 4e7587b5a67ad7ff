"""Reads data that people keep as text in ConfigMaps. Needs PyYAML, which only programs that read ConfigMaps have.

Scalars are understood as in JSON: `no`, `08`, `10:30` and dates are texts, and so is every key.
"""

import json
import re
from functools import lru_cache
from typing import Any

import yaml

MAX_DEPTH = 64
"""Nesting beyond this is refused before anything recurses over it."""

_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """PyYAML's safe loader with JSON's scalars, and keys that are texts and differ."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as in PyYAML

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
            if key.value in found:
                said = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            found[key.value] = self.construct_object(value, deep=deep)
        return found


for _name, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~\0"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), [c.strip("\0") for c in _first])


@lru_cache(maxsize=32)
def read(text: str) -> object:
    """Return the value that `text` is the JSON or YAML of. It is shared by all who ask: nobody may change it.

    Raises:
        ValueError: with what is wrong, and where.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from None
    except ValueError:
        return _yaml(text)


def _yaml(text: str) -> object:
    try:
        _check_shape(text)
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"{line}{said or 'it is no YAML'}") from error
    except yaml.YAMLError as error:
        raise ValueError("it holds characters that YAML does not allow") from error


def _check_shape(text: str) -> None:
    """Refuse what would grow without bound, or overflow the stack, when it is loaded."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {line}: it repeats a part by an alias, which is not supported")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"line {line}: it is nested more than {MAX_DEPTH} deep")
