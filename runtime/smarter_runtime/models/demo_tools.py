"""How the demo model fills in the parameters of a plugin's tool: with the numbers and words of the question."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from smarter_runtime.events import ToolOffer
from smarter_runtime.models.demo_facts import content_words, shared

_NUMBER = re.compile(r"(?<![\w.-])-?[0-9]+(?:\.[0-9]+)?(?![\w-])")
_QUOTED = re.compile(r"[\"“«']([^\"”»']+)[\"”»']")
_DATE = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
# What looks like a number of something: letters and digits in one word.
_CODE = re.compile(r"\b(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]+\b")

Schema = Mapping[str, Any]


def fitting_call(question: str, offers: Sequence[ToolOffer]) -> tuple[str, str] | None:
    """Return the tool to call and its arguments as JSON: that which shares most words with the question, of those whose
    required parameters the question has values for."""
    words = content_words(question)
    found = [
        (shared(words, f"{offer.name} {offer.description}"), offer, arguments)
        for offer in offers
        if (arguments := _arguments(question, offer.parameters)) is not None
    ]
    score, offer, arguments = max(found, key=lambda each: each[0], default=(0, None, None))
    return (offer.name, json.dumps(arguments, ensure_ascii=False)) if offer and score else None


def _arguments(question: str, schema: Schema) -> dict[str, Any] | None:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    values = _Values(question)
    arguments: dict[str, Any] = {}
    for name, parameter in properties.items():
        value = values.next_for(parameter)
        if value is not None:
            arguments[name] = value
        elif name in schema.get("required", ()):
            return None
    return arguments


class _Values:
    """The values in a question; each is used once."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._numbers = iter(_NUMBER.findall(question))
        self._texts = iter([text for form in (_QUOTED, _DATE, _CODE, _NUMBER) for text in form.findall(question)])

    def next_for(self, parameter: Schema) -> Any:
        """Return a value for the parameter; `None` when there is none."""
        kind, choices = parameter.get("type"), parameter.get("enum")
        if choices:
            words = content_words(self._question)
            return next((choice for choice in choices if shared(words, str(choice))), None)
        if kind == "integer":
            return next((int(text) for text in self._numbers if "." not in text), None)
        if kind == "number":
            return next((float(text) for text in self._numbers), None)
        return next(self._texts, None) if kind == "string" else None
