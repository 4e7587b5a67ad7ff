"""What keeps a resource from being what it asks for, and the border where raw objects become models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from smarter_crds.base import ApiModel

M = TypeVar("M", bound=ApiModel)


@dataclass(frozen=True)
class Problem:
    """A reason that programs may rely on, and a sentence for people that says the way out."""

    reason: str
    message: str


def parse(model: type[M], obj: Mapping[str, Any]) -> M | Problem:
    """Read an object of the API server; what an older CRD let through may be no valid `model`."""
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = _path(first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        return Problem("Invalid", f"`{field or model.__name__}` is not valid: {said}; correct it.")


def first_message(problems: Iterable[Problem]) -> str:
    """Return the message of the first problem, or an empty string."""
    return next((problem.message for problem in problems), "")


def _path(location: Iterable[str | int]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")
