"""The status of everything that Chatbots refer to: whether it is usable, and how many use it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smarter_crds.compile import Problem, check_plugin, check_provider, check_unsupported, parse
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_operator.cache import Cache
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.findings import Verdict
from smarter_operator.kinds import BY_NAME, PLUGIN, PROVIDER, Kind
from smarter_operator.reporting import write_status
from smarter_operator.status import dated
from smarter_operator.watching import Key

USED_BY_SECONDS = 10.0
"""At least so long apart are two writes that only correct the count of users."""


@dataclass(frozen=True, kw_only=True)
class ReferenceReconciler:
    """Keeps the status of Plugins, Providers, connections, Stores and ApiKeys."""

    cluster: Cluster
    cache: Cache
    now: Callable[[], datetime]
    counted_at: dict[Key, float]
    """When, on the clock of the event loop, each count was written last."""

    async def reconcile(self, kind_name: str, namespace: str, name: str) -> float | None:
        """Write the status if it differs. Returns the seconds after which a held count is due."""
        kind = BY_NAME[kind_name]
        raw = self.cache.get(kind, namespace, name)
        key = (kind_name, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.counted_at.pop(key, None)
            return None

        before, now = raw.get("status", {}), asyncio.get_running_loop().time()
        status = reference_status(kind, raw, len(self.cache.users(kind, namespace, name)), self.now())
        if status == before:
            return None
        if {**before, "usedBy": 0} == {**status, "usedBy": 0} and key in self.counted_at:
            wait = self.counted_at[key] + USED_BY_SECONDS - now
            if wait > 0:
                return wait
        await write_status(kind, raw, status, self.cluster, self.cache)
        self.counted_at[key] = now
        return None


def reference_status(kind: Kind, raw: Manifest, used_by: int, now: datetime) -> dict[str, Any]:
    problems = _problems(kind, raw)
    verdict: Verdict = ("True", "Accepted", "It can be used.")
    if problems:
        verdict = ("False", problems[0].reason, " ".join(problem.message for problem in problems[:3]))
    status: dict[str, Any] = {
        "observedGeneration": raw["metadata"]["generation"],
        "usedBy": used_by,
        "conditions": dated({"Accepted": verdict, "Ready": verdict}, raw, now),
    }
    return status | ({"type": raw["spec"]["type"]} if kind is PLUGIN else {})


def _problems(kind: Kind, raw: Manifest) -> tuple[Problem, ...]:
    if kind is PLUGIN:
        plugin = parse(Plugin, raw)
        return (plugin,) if isinstance(plugin, Problem) else check_plugin(plugin)
    if kind is PROVIDER:
        provider = parse(Provider, raw)
        return (provider,) if isinstance(provider, Problem) else check_provider(provider)
    return check_unsupported(kind.name)
