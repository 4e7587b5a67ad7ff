"""What one reconciliation found and did: all that a status is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

from smarter_crds.compile import Compiled, Problem
from smarter_operator.findings import Finding
from smarter_operator.hosts import Standing
from smarter_operator.observe import World


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one reconciliation went."""

    compiled: Compiled
    """With those of its hosts only that the Chatbot holds."""
    world: World
    hosts: tuple[Standing, ...] = ()
    """All hosts that it asks for."""
    findings: Mapping[str, Finding | None] | None = None
    """What probes found at each host that is served: None of one that was not probed often enough yet; None instead of
    all where nothing is probed."""
    problems: tuple[Problem, ...] = ()
    """Why the Chatbot is not accepted."""
    refused: tuple[Problem, ...] = ()
    """Children that the API server did not take."""
    missing: frozenset[str] = frozenset()
    """Kinds of children whose API the cluster lacks."""
    mounting: bool = False
    """Whether the newest config waits for pods that have the Secrets which it uses."""
    waits: bool = False
    """Whether a change of the pods that the platform wants waits for those of other bots."""
    session_secret: str = ""
    """The Secret with the session key, if it is known to have been made."""
    keys_hash: str = ""
    """Of the keys that the pods shall know; empty where no key opens the bot."""
    config_hash: str = ""
    """Of the config that the pods shall serve; the last good one when the Chatbot is not accepted."""
