"""How the demo model sees that a question is one for a built-in function: by its form alone."""

import json
import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from smarter_crds.runtime_config import FUNCTION_TOOLS
from smarter_runtime.models.demo_facts import all_facts, sentence

_CALCULATOR = FUNCTION_TOOLS["Calculator"]
_DATES = FUNCTION_TOOLS["DateCalculator"]
_WEATHER = FUNCTION_TOOLS["CurrentWeather"]
_ASKS = r"(?:(?:what(?:'s| is)|how much is|calculate|compute)\s+)?"
_EXPRESSION = re.compile(rf"{_ASKS}((?:[0-9.,+\-*/%^()\s]|\b(?:sqrt|abs|round|min|max|ln|log10|sin|cos|tan|pi|of)\b)+)")
_OPERATOR = re.compile(r"[0-9)%]\s*(?:[+\-*/%^]|of)\s*[0-9(.a-z]|[a-z0-9]\(")
_DATE = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
_WEEKDAY = re.compile(r"\b(?:weekday|what day|which day|day of the week)\b")
_TODAY = re.compile(r"\b(?:what|which) (?:day|date) is (?:it )?today\b|\btoday's date\b")
_PLACE = re.compile(r"\bweather\b.*? in ([^?.!]+)", re.IGNORECASE)

MOST_FACTS = 12
MOST_ROWS = 5
Arguments = Mapping[str, str]


def obvious_call(question: str, offered: Container[str]) -> tuple[str, str] | None:
    """Return the tool to call and its arguments as JSON, if one of those `offered` obviously answers `question`."""
    for tool, arguments_of in _ASKED.items():
        arguments = arguments_of(question) if tool in offered else None
        if arguments:
            return tool, json.dumps(arguments, ensure_ascii=False)
    return None


def told(result: str) -> str:
    """Return a function's or tool's result as a sentence."""
    if result.startswith('{"rows":['):
        return _told_rows(json.loads(result)["rows"])
    return sentence(all_facts(result)[:MOST_FACTS]) if result.startswith(("{", "[{")) else result


def _told_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what a database found, row by row; what is empty in a row is left out."""
    if not rows:
        return "Nothing was found."
    cells = [", ".join(f"{name}: {_text(cell)}" for name, cell in row.items() if cell is not None) for row in rows]
    more = f"; and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return "; ".join(cells[:MOST_ROWS]).rstrip(".") + f"{more}."


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _dates(question: str) -> Arguments | None:
    text, dates = question.casefold(), _DATE.findall(question)
    if len(dates) == 2:
        return {"operation": "difference", "date": dates[0], "other_date": dates[1]}
    if len(dates) == 1 and _WEEKDAY.search(text):
        return {"operation": "weekday", "date": dates[0]}
    return {"operation": "today"} if _TODAY.search(text) else None


def _expression(question: str) -> Arguments | None:
    found = _EXPRESSION.fullmatch(question.casefold().strip(" ?!.=\n"))
    is_arithmetic = found and _OPERATOR.search(found[1]) and not _DATE.search(found[1])
    return {"expression": found[1].strip()} if found and is_arithmetic else None


def _place(question: str) -> Arguments | None:
    found = _PLACE.search(question)
    return {"location": found[1].strip()} if found else None


_ASKED: Mapping[str, Callable[[str], Arguments | None]] = {
    _DATES: _dates,
    _CALCULATOR: _expression,
    _WEATHER: _place,
}
FUNCTIONS = frozenset(_ASKED)
