"""Writes a Chatbot's status: once, only if it changed, and not for a state that will be over in a moment."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from smarter_crds.base import API_VERSION
from smarter_operator import metrics
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.conditions import NOT_ASKED
from smarter_operator.kinds import CHATBOT, Kind
from smarter_operator.outcome import Outcome
from smarter_operator.status import Status, chatbot_status

HOLD_SECONDS = 3.0
"""How long a change of status may wait that does not change whether the Chatbot is ready."""

GOING_LIVE_SECONDS = 1.5
"""How long a config may be on its way to the pods before the status says so."""


@dataclass
class Reporter:
    """Remembers since when, on the clock of the event loop, each Chatbot's status differs from what is written."""

    cluster: Cluster
    cache: Cache
    _differs_since: dict[ObjectName, float | None] = field(default_factory=dict)

    async def report(self, raw: Manifest, outcome: Outcome, now: datetime) -> float | None:
        """Write the status if it is worth it. Returns after how many seconds a held one must be looked at again."""
        name = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        before, status = raw.get("status", {}), chatbot_status(raw, outcome, now)
        if status != before or name not in self._differs_since:
            metrics.observe_chatbot(name, before, status)
        if status == before:
            self._differs_since[name] = None
            return None
        clock = asyncio.get_running_loop().time()
        since = self._differs_since.get(name) or clock
        if since + hold_seconds(before, status) > clock:
            self._differs_since[name] = since
            return since + hold_seconds(before, status) - clock
        await write_status(CHATBOT, raw, status, self.cluster, self.cache)
        self._differs_since[name] = None
        return None

    def forget(self, name: ObjectName) -> None:
        if name in self._differs_since:
            del self._differs_since[name]
            metrics.forget_chatbot(name)


def hold_seconds(before: Status, status: Status) -> float:
    """Return how long a changed status may wait for the next change, so that a passing state costs no write."""
    going_live = _condition(before, "Ready")[0] == "True" and _condition(status, "Ready")[1] == "OldConfig"
    if going_live or _condition(status, "ConfigLive")[1] == NOT_ASKED:
        return GOING_LIVE_SECONDS
    same = _condition(before, "Ready")[0] == _condition(status, "Ready")[0]
    return HOLD_SECONDS if same and before.get("observedGeneration") == status["observedGeneration"] else 0


async def write_status(kind: Kind, raw: Manifest, status: dict[str, Any], cluster: Cluster, cache: Cache) -> None:
    """Replace our part of an object's status; the UID keeps a successor of the same name from getting it."""
    metadata = {key: raw["metadata"][key] for key in ("name", "namespace", "uid")}
    manifest = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "status": status}
    cache.put(kind, await cluster.apply_status(kind, manifest))


def _condition(status: Status, name: str) -> tuple[str, str]:
    found: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == name), {})
    return found.get("status", "Unknown"), found.get("reason", "")
