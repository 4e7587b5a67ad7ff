"""The declared parameters of a plugin's tool: their schema for the model, the check and completion of a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smarter_crds.tool_config import ParameterConfig
from smarter_crds.typed_values import NOUNS, fits, typed
from smarter_runtime.tools import Arguments, Claims, ToolFailed, cut
from smarter_runtime.tools.arguments import Schema, parameters

MAX_FAULT_CHARACTERS = 500
_JSON_TYPES = {
    "String": "string",
    "Integer": "integer",
    "Number": "number",
    "Boolean": "boolean",
    "Array": "array",
    "Object": "object",
}


@dataclass(frozen=True, slots=True)
class _Ready:
    """One parameter with its values read."""

    config: ParameterConfig
    choices: tuple[Any, ...]
    default: Any

    def value(self, given: Any) -> Any:
        """Return what the tool gets for a value that the model or a claim gives.

        Raises:
            ToolFailed: when it is not of the type or not among the choices.
        """
        name, kind = self.config.name, self.config.type
        if not fits(kind, given):
            raise _fault(f"{name!r} must be {NOUNS[kind]}.")
        value = int(given) if kind == "Integer" else given
        if self.choices and not any(_equal(value, choice) for choice in self.choices):
            raise _fault(f"{name!r} must be one of {list(self.choices)}.")
        return value


class Declared:
    """The parameters of one tool."""

    def __init__(self, configs: tuple[ParameterConfig, ...]) -> None:
        """Read the values.

        Raises:
            ValueError: when one is not of its parameter's type.
        """
        ready = [_ready(config) for config in configs]
        self._given = {each.config.name: each for each in ready if not each.config.claim}
        self._claimed = {each.config.name: each for each in ready if each.config.claim}
        self.schema = _schema(self._given)

    def check(self, arguments: Arguments) -> None:
        """Compare what the model gives with what is declared.

        Raises:
            ToolFailed: at the first argument that does not fit.
        """
        for name in arguments:
            if name not in self._given:
                raise _fault(f"There is no parameter {name[:64]!r}; there are {sorted(self._given)}.")
        for name, parameter in self._given.items():
            value = arguments.get(name)
            if value is not None:
                parameter.value(value)
            elif parameter.config.required:
                raise _fault(f"{name!r} is missing: {parameter.config.description}")

    def is_for(self, claims: Claims) -> bool:
        """Tell whether the claims give every value that the model may not give."""
        try:
            self._of_claims(claims)
        except ToolFailed:
            return False
        return True

    def completed(self, arguments: Arguments, claims: Claims) -> Arguments:
        """Return a value for every parameter; `None` for one that is not given and has no default.

        Raises:
            ToolFailed: when a claim is missing.
        """
        values: dict[str, Any] = {}
        for name, parameter in self._given.items():
            value = arguments.get(name)
            # Many models write null for what they leave out.
            values[name] = parameter.default if value is None else parameter.value(value)
        return values | self._of_claims(claims)

    def _of_claims(self, claims: Claims) -> dict[str, Any]:
        return {name: _claimed(parameter, claims) for name, parameter in self._claimed.items()}


def _ready(config: ParameterConfig) -> _Ready:
    default = None if config.default is None else typed(config.type, config.default)
    return _Ready(config, tuple(typed(config.type, text) for text in config.enum), default)


def _claimed(parameter: _Ready, claims: Claims) -> Any:
    value, kind = claims.get(parameter.config.claim), parameter.config.type
    try:
        # Many issuers write numbers as strings.
        return parameter.value(typed(kind, value) if isinstance(value, str) else value)
    except (ValueError, ToolFailed) as error:
        # The model knows nothing of the parameter.
        raise ToolFailed("Nobody who may use this is signed in.") from error


def _schema(given: Mapping[str, _Ready]) -> Schema:
    properties = {name: _property(parameter) for name, parameter in given.items()}
    return parameters(properties, tuple(name for name, parameter in given.items() if parameter.config.required))


def _property(parameter: _Ready) -> Schema:
    config = parameter.config
    schema: dict[str, Any] = {"type": _JSON_TYPES[config.type], "description": config.description}
    if config.type == "Array":
        # Some providers refuse a list whose items are not described at all.
        schema["items"] = {}
    if parameter.choices:
        schema["enum"] = _distinct(parameter.choices)
    if parameter.default is not None and not config.required:
        schema["default"] = parameter.default
    return schema


def _distinct(choices: tuple[Any, ...]) -> list[Any]:
    kept: list[Any] = []
    for choice in choices:
        if not any(_equal(choice, other) for other in kept):
            kept.append(choice)
    return kept


def _equal(one: Any, other: Any) -> bool:
    # To Python, true equals 1.
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _fault(text: str) -> ToolFailed:
    return ToolFailed(cut(text, MAX_FAULT_CHARACTERS))
