"""The status of everything that Chatbots refer to: whether it is usable, and how many use it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smarter_crds.compile import Problem, check_plugin, check_provider, check_unsupported, parse
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_operator.cache import Cache
from smarter_operator.cluster import Manifest
from smarter_operator.findings import Verdict
from smarter_operator.kinds import PLUGIN, PROVIDER, Kind
from smarter_operator.reporting import UseReporter
from smarter_operator.status import dated


@dataclass(frozen=True, kw_only=True)
class ReferenceReconciler:
    """Keeps the status of Plugins, Providers, connections and Stores."""

    cache: Cache
    reporter: UseReporter
    now: Callable[[], datetime]

    async def reconcile(self, kind: Kind, namespace: str, name: str) -> float | None:
        """Write the status if it differs. Returns the seconds after which a held count is due."""
        raw = self.cache.get(kind, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.reporter.forget(kind, (namespace, name))
            return None
        used_by = len(self.cache.users(kind, namespace, name))
        return await self.reporter.report(kind, raw, reference_status(kind, raw, used_by, self.now()))


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
