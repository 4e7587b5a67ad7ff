"""Which changes of a status are worth an Event."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PASSING = frozenset(
    {
        "NotDeployed",
        "RollingOut",
        "Deploying",
        "Stopping",
        "NotRouted",
        "NoAddress",
        "NotIssued",
        "OldConfig",
        "NoConfig",
    }
)
"""Reasons that every new bot goes through; they are news only of a bot that was ready."""

REFUSED = "ApplyRefused"
"""Told for every refused child as it happens, with its own message."""

_TOLD = ("Accepted", "Ready")


class News(NamedTuple):
    """`Normal` or `Warning`, why in one word, and a sentence."""

    type: str
    reason: str
    message: str


def news(before: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[News]:
    """Yield what to tell of the step from one status to the next: every new reason of Accepted and Ready, once."""
    old, new = _conditions(before), _conditions(status)
    told: set[News] = set()
    for name in _TOLD:
        was, now = old.get(name, {}), new.get(name, {})
        if not now or _verdict(was) == _verdict(now) or now["reason"] == REFUSED:
            continue
        is_true = now["status"] == "True"
        if now["reason"] in PASSING and was.get("status") != "True":
            continue
        found = News("Normal" if is_true else "Warning", now["reason"], now["message"])
        if found not in told:
            told.add(found)
            yield found


def _conditions(status: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {condition["type"]: condition for condition in status.get("conditions", [])}


def _verdict(condition: Mapping[str, str]) -> tuple[str | None, str | None]:
    return condition.get("status"), condition.get("reason")
