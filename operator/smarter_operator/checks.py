"""Why a chatbot cannot be what it asks for: a list of small functions over the facts, in the order of their reports."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smarter_crds.compile import Compiled, Problem
from smarter_operator.cluster import Manifest
from smarter_operator.observe import NAME_TAKEN, controller_uid


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the checks look at."""

    compiled: Compiled
    strangers: tuple[Manifest, ...] = ()
    """Objects of somebody else that bear the names our children would take; with kind and metadata."""


Check = Callable[[Facts], Iterable[Problem]]


def compiles(facts: Facts) -> Iterable[Problem]:
    return facts.compiled.problems


def names_are_free(facts: Facts) -> Iterable[Problem]:
    for stranger in facts.strangers:
        kind, name = stranger["kind"], stranger["metadata"]["name"]
        owner = controller_uid(stranger)
        whose = "belongs to another object" if owner else "was not made by this operator"
        message = (
            f"{kind} {name!r} exists and {whose}; rename or delete it, or rename the Chatbot. Nothing was changed."
        )
        yield Problem(NAME_TAKEN, message)


CHECKS: tuple[Check, ...] = (compiles, names_are_free)


def problems(facts: Facts) -> tuple[Problem, ...]:
    """Return everything that keeps the Chatbot from being accepted, most important first."""
    return tuple(problem for check in CHECKS for problem in check(facts))
