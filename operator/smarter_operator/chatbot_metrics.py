"""The metrics of each Chatbot: kept small, and written a few at a time, for ten thousand Chatbots have 300,000 of them.

As gauges of the metrics library they would take 26 KiB per Chatbot, and hold up everything for seconds when read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

Name = tuple[str, str]
"""Namespace and name of a Chatbot."""

AT_A_TIME = 200
"""So many Chatbots are written before others get their turn."""

_STATUSES = ("True", "False", "Unknown")


_Conditions = tuple[tuple[str, str], ...]
"""Types and statuses."""


@dataclass(frozen=True, slots=True)
class _Seen:
    model: str
    conditions: _Conditions
    expiries: tuple[tuple[str, float], ...]


_Lines = Callable[[str, _Seen], Iterator[str]]


class ChatbotMetrics:
    """What the statuses of all Chatbots say, as gauges."""

    def __init__(self) -> None:
        self._seen: dict[Name, _Seen] = {}
        self._conditions: dict[_Conditions, _Conditions] = {}

    def observe(self, name: Name, status: Mapping[str, Any]) -> None:
        """Take in a Chatbot's status as it is now."""
        hosts = ((host["host"], host.get("certificate", {}).get("notAfter")) for host in status.get("hosts", []))
        conditions = tuple((each["type"], each["status"]) for each in status["conditions"])
        self._seen[name] = _Seen(
            model=status.get("model", ""),
            # Most Chatbots are in one of a few states.
            conditions=self._conditions.setdefault(conditions, conditions),
            expiries=tuple((host, datetime.fromisoformat(ends).timestamp()) for host, ends in hosts if ends),
        )

    def forget(self, name: Name) -> None:
        self._seen.pop(name, None)

    def text(self) -> Iterator[str]:
        """Yield everything in the text format of Prometheus, in parts."""
        for metric, meaning, lines in _METRICS:
            yield f"# HELP {metric} {meaning}\n# TYPE {metric} gauge\n"
            everything = iter(list(self._seen.items()))
            while some := list(islice(everything, AT_A_TIME)):
                yield "".join(line for name, seen in some for line in lines(_labels(name), seen))


def _info(labels: str, seen: _Seen) -> Iterator[str]:
    yield f'smarter_chatbot_info{{{labels},model="{_escaped(seen.model)}"}} 1.0\n'


def _condition(labels: str, seen: _Seen) -> Iterator[str]:
    for kind, holds in seen.conditions:
        for status in _STATUSES:
            value = "1.0" if status == holds else "0.0"
            yield f'smarter_chatbot_condition{{{labels},type="{kind}",status="{status}"}} {value}\n'


def _expiry(labels: str, seen: _Seen) -> Iterator[str]:
    for host, ends in seen.expiries:
        yield f'smarter_certificate_expiry_timestamp_seconds{{{labels},host="{host}"}} {ends!r}\n'


_METRICS: tuple[tuple[str, str, _Lines], ...] = (
    ("smarter_chatbot_info", "The Chatbots and their models.", _info),
    (
        "smarter_chatbot_condition",
        "Conditions of the Chatbots: 1 for the status that holds, else 0.",
        _condition,
    ),
    ("smarter_certificate_expiry_timestamp_seconds", "When a host's certificate ends, as Unix time.", _expiry),
)


def _labels(name: Name) -> str:
    namespace, bot = name
    return f'namespace="{namespace}",name="{bot}"'


def _escaped(value: str) -> str:
    """Return a value that anybody may have written; names of objects and hosts need no care."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
