"""How many calls of the Kubernetes API one Chatbot costs, from its creation until it is Ready to its deletion."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from bench.operator_load import at_once, bot, create
from bench.operator_stage import LONGEST_SECONDS, Calls, Stage, calls, settled, writes
from smarter_operator.kinds import EVENT, REFERENCED
from support.api import eventually
from support.data_plane import DataPlane
from support.operator_process import OperatorProcess, free_port

BOTS = 20
_COUNTED_APART = frozenset(kind.name for kind in (*REFERENCED, EVENT))
"""A count of users is written as often for one Chatbot as for a thousand; and an Event is news, not work."""


async def calls_per_chatbot(stage: Stage, namespace: str) -> dict[str, Any]:
    """Return the calls by verb per create, update, no-op and delete, with pods that a stand-in pretends to run."""
    port = free_port()
    no_resync = {"SMARTER_RESYNC_SECONDS": "3600", "SMARTER_POD_STATUS_PORT": str(port)}
    async with DataPlane(stage.api, port), stage.operator(**no_resync) as operator:
        steps = {
            "create": lambda number: create(stage, bot(namespace, number)),
            "update": lambda number: _patch(stage, namespace, number, {"spec": {"systemPrompt": "You are new."}}),
            "noop": lambda number: _patch(stage, namespace, number, {"metadata": {"labels": {"team": "a"}}}),
            "delete": lambda number: stage.api.delete("Chatbot", namespace, _name(namespace, number)),
        }
        return {f"calls_per_{step}": await _calls_of(stage, operator, namespace, do) for step, do in steps.items()}


async def _calls_of(
    stage: Stage, operator: OperatorProcess, namespace: str, do: Callable[[int], Awaitable[object]]
) -> dict[str, float]:
    before = await calls(operator)
    await at_once(do, range(BOTS))

    async def all_ready() -> bool:
        bots = await stage.api.list_all("Chatbot", namespace)
        return all([await stage.api.is_ready(namespace, found["metadata"]["name"]) for found in bots])

    await eventually(all_ready, LONGEST_SECONDS, every_seconds=1)
    return _per_bot(before, await settled(operator))


def _per_bot(before: Calls, after: Calls) -> dict[str, float]:
    """Return the calls by verb, and all that write together."""
    grown = {key: value - before.get(key, 0) for key, value in after.items() if key[1] not in _COUNTED_APART}
    by_verb: dict[str, float] = defaultdict(float)
    for (verb, _), value in grown.items():
        by_verb[verb] += value / BOTS
    found = {verb: round(value, 2) for verb, value in sorted(by_verb.items()) if value}
    return {"writes": round(writes(grown) / BOTS, 2)} | found


async def _patch(stage: Stage, namespace: str, number: int, body: dict[str, Any]) -> None:
    await stage.api.patch("Chatbot", namespace, _name(namespace, number), body)


def _name(namespace: str, number: int) -> str:
    return str(bot(namespace, number)["metadata"]["name"])
