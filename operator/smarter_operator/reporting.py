"""Writes a Chatbot's status: once, only if it changed, and not for a state that will be over in a moment."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from smarter_crds.base import API_VERSION
from smarter_crds.compile import Problem
from smarter_operator import metrics
from smarter_operator.cache import Cache, Change, ObjectName
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.conditions import NOT_ASKED, UNREACHABLE
from smarter_operator.kinds import CHATBOT, Kind
from smarter_operator.news import News, news
from smarter_operator.outcome import Outcome
from smarter_operator.status import Status, chatbot_status

Tell = Callable[[Manifest, News], None]
"""Takes news about an object."""

HOLD_SECONDS = 3.0
"""How long a change of status may wait that does not change whether the Chatbot is ready."""

FIRST_SECONDS = 1.0
"""How long the first status of a Chatbot that can be served waits for what its new children say."""

USED_BY_SECONDS = 10.0
"""At least so long apart are two writes that only correct a count of users."""

GOING_LIVE_SECONDS = 1.5
"""How long a config may be on its way to the pods before the status says so."""

UNHEARD = (NOT_ASKED, UNREACHABLE)

UNHEARD_SECONDS = 30.0
"""How long pods of a bot that is ready all the while may not be heard before the status says so.

An operator that just started knows of no pod what it serves, and asking a thousand takes a while.
"""


@dataclass
class Reporter:
    """Remembers since when, on the clock of the event loop, each Chatbot's status differs from what is written."""

    cluster: Cluster
    cache: Cache
    tell: Tell
    _refused: dict[ObjectName, frozenset[Problem]] = field(default_factory=dict)
    _differs_since: dict[ObjectName, float | None] = field(default_factory=dict)

    async def report(self, raw: Manifest, outcome: Outcome, now: datetime) -> float | None:
        """Write the status if it is worth it. Returns after how many seconds a held one must be looked at again."""
        name = _name(raw)
        before, status = raw.get("status", {}), chatbot_status(raw, outcome, now)
        self._tell_refused(name, raw, outcome.refused)
        if status != before or name not in self._differs_since:
            metrics.CHATBOTS.observe(name, status)
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
        for piece in news(before, status):
            self.tell(raw, piece)
        return None

    def _tell_refused(self, name: ObjectName, raw: Manifest, refused: tuple[Problem, ...]) -> None:
        """Tell every refusal once, and again only when it was over meanwhile."""
        for problem in refused:
            if problem not in self._refused.get(name, ()):
                self.tell(raw, News("Warning", problem.reason, problem.message))
        self._refused[name] = frozenset(refused)

    def forget(self, name: ObjectName) -> None:
        self._refused.pop(name, None)
        if name in self._differs_since:
            del self._differs_since[name]
            metrics.CHATBOTS.forget(name)


def hold_seconds(before: Status, status: Status) -> float:
    """Return how long a changed status may wait for the next change, so that a passing state costs no write."""
    if not before:
        is_coming = _condition(status, "Accepted")[0] == "True" and _condition(status, "Ready")[0] != "True"
        return FIRST_SECONDS if is_coming else 0
    same_config = all(before.get(key) == status.get(key) for key in ("observedGeneration", "configHash"))
    ready, live = _condition(status, "Ready"), _condition(status, "ConfigLive")
    if same_config and live[1] in UNHEARD and _condition(before, "Ready")[0] == ready[0] == "True":
        return UNHEARD_SECONDS
    going_live = _condition(before, "Ready")[0] == "True" and ready[1] in ("OldConfig", "OldKeys")
    if going_live or live[1] == NOT_ASKED:
        return GOING_LIVE_SECONDS
    same = _condition(before, "Ready")[0] == ready[0]
    return HOLD_SECONDS if same and before.get("observedGeneration") == status["observedGeneration"] else 0


@dataclass(frozen=True)
class UseReporter:
    """Writes the status of what Chatbots use: at once, unless it only corrects the count of users."""

    cluster: Cluster
    cache: Cache
    tell: Tell
    on_change: Callable[[Change], None] = lambda change: None
    """Is told what a write changed: the watch event of it comes later, and is no news then."""
    _counted_at: dict[tuple[str, ObjectName], float] = field(default_factory=dict)
    """When, on the clock of the event loop, each count was written last."""

    async def report(self, kind: Kind, raw: Manifest, status: Status, *, exact: bool = False) -> float | None:
        """Write the status if it differs. Returns after how many seconds a held count is due."""
        before, key = raw.get("status", {}), (kind.name, _name(raw))
        if status == before:
            return None
        now = asyncio.get_running_loop().time()
        if {**before, "usedBy": 0} == {**status, "usedBy": 0} and key in self._counted_at:
            wait = self._counted_at[key] + USED_BY_SECONDS - now
            if wait > 0:
                return wait
        await self.write(kind, raw, status, exact=exact)
        return None

    async def write(self, kind: Kind, raw: Manifest, status: Status, *, exact: bool) -> Manifest:
        """Write the status now; if `exact`, only on what is known. Returns the object as it is afterwards."""
        written, change = await write_status(kind, raw, status, self.cluster, self.cache, exact=exact)
        self._counted_at[kind.name, _name(raw)] = asyncio.get_running_loop().time()
        if change is not None:
            self.on_change(change)
        for piece in news(raw.get("status", {}), status):
            self.tell(raw, piece)
        return written

    def forget(self, kind: Kind, name: ObjectName) -> None:
        self._counted_at.pop((kind.name, name), None)


async def write_status(
    kind: Kind, raw: Manifest, status: Status, cluster: Cluster, cache: Cache, *, exact: bool = False
) -> tuple[Manifest, Change | None]:
    """Replace our part of an object's status; the UID keeps a successor of the same name from getting it.

    If `exact`, the server answers with a conflict when the object has changed since `raw` was read.
    """
    members = ("name", "namespace", "uid", *(("resourceVersion",) if exact else ()))
    metadata = {key: raw["metadata"][key] for key in members}
    manifest = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "status": status}
    written = await cluster.apply_status(kind, manifest)
    return written, cache.put(kind, written)


def _name(raw: Manifest) -> ObjectName:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def _condition(status: Status, name: str) -> tuple[str, str]:
    found: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == name), {})
    return found.get("status", "Unknown"), found.get("reason", "")
