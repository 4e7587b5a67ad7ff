"""Writes a Chatbot's status: once, only if it changed, and not for a state that will be over in a moment."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smarter_crds.base import API_VERSION
from smarter_operator import metrics
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.conditions import Outcome
from smarter_operator.kinds import CHATBOT, Kind
from smarter_operator.status import Status, chatbot_status

HOLD_SECONDS = 3.0
"""How long a change of status may wait that does not change whether the Chatbot is ready."""

GOING_LIVE_SECONDS = 1.5
"""How long a config may be on its way to the pods before the status says so."""


@dataclass
class _Written:
    at: datetime
    config_hash: str
    config_since: datetime


@dataclass
class Reporter:
    """Remembers when each Chatbot's status was written last."""

    cluster: Cluster
    cache: Cache
    _written: dict[ObjectName, _Written] = field(default_factory=dict)

    async def report(self, raw: Manifest, outcome: Outcome, now: datetime) -> float | None:
        """Write the status if it is worth it. Returns after how many seconds a held one must be looked at again."""
        name = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        status = chatbot_status(raw, outcome, now)
        before = raw.get("status", {})
        if status != before or name not in self._written:
            metrics.observe_chatbot(name, before, status)
        if status == before:
            return None
        hold = self._hold_seconds(name, before, status, now)
        if hold > 0:
            return hold
        await write_status(CHATBOT, raw, status, self.cluster, self.cache)
        self._written[name].at = now
        return None

    def forget(self, name: ObjectName) -> None:
        if self._written.pop(name, None) is not None:
            metrics.forget_chatbot(name)

    def _hold_seconds(self, name: ObjectName, before: Status, status: Status, now: datetime) -> float:
        config_hash = status.get("configHash", "")
        written = self._written.get(name)
        if written is None:
            long_ago = now - timedelta(seconds=HOLD_SECONDS)
            written = self._written[name] = _Written(long_ago, before.get("configHash", ""), long_ago)
        if written.config_hash != config_hash:
            written.config_hash, written.config_since = config_hash, now
        if _ready(before) == ("True", "Ready") and _ready(status) == ("False", "OldConfig"):
            return (written.config_since - now).total_seconds() + GOING_LIVE_SECONDS
        same = _ready(before)[0] == _ready(status)[0]
        if same and before.get("observedGeneration") == status["observedGeneration"]:
            return (written.at - now).total_seconds() + HOLD_SECONDS
        return 0


async def write_status(kind: Kind, raw: Manifest, status: dict[str, Any], cluster: Cluster, cache: Cache) -> None:
    """Replace our part of an object's status; the UID keeps a successor of the same name from getting it."""
    metadata = {key: raw["metadata"][key] for key in ("name", "namespace", "uid")}
    manifest = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "status": status}
    cache.put(kind, await cluster.apply_status(kind, manifest))


def _ready(status: Status) -> tuple[str, str]:
    found: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    return found.get("status", "Unknown"), found.get("reason", "")
