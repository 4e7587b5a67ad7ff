"""What a running operator says of itself at `/metrics`."""

from prometheus_client.parser import text_string_to_metric_families

from smarter_operator.kinds import EVENT, LEASE, REFERENCED
from support.api import MUTATING
from support.operator_process import OperatorProcess

Calls = dict[tuple[str, str], float]
"""Requests since the start, by verb and kind."""

_NOT_COUNTED = frozenset({LEASE.name, EVENT.name, *(kind.name for kind in REFERENCED)})
"""What is written to the last is a count of users: it is the same for one Chatbot and for a thousand."""


async def samples(operator: OperatorProcess, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(await operator.metrics())
    return [(sample.labels, sample.value) for family in families for sample in family.samples if sample.name == name]


async def calls(operator: OperatorProcess) -> Calls:
    """Return what the operator has asked of the API server for the sake of Chatbots."""
    found: Calls = {}
    for labels, value in await samples(operator, "smarter_api_requests_total"):
        if labels["kind"] not in _NOT_COUNTED:
            key = (labels["verb"], labels["kind"])
            found[key] = found.get(key, 0) + value
    return found


def since(before: Calls, after: Calls) -> Calls:
    """Return what was asked between the two moments."""
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    return {key: value for key, value in grown.items() if value}


def writes(found: Calls) -> int:
    return round(sum(value for (verb, _), value in found.items() if verb in MUTATING))


async def reconciles(operator: OperatorProcess) -> int:
    """Return how often Chatbots were reconciled since the start."""
    found = await samples(operator, "smarter_reconcile_total")
    return round(sum(value for labels, value in found if labels["kind"] == "Chatbot"))
