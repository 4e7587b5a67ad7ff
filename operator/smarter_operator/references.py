"""The status of everything that Chatbots refer to: whether it is usable, and how many use it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smarter_crds.api_connection import ApiConnection
from smarter_crds.compile import Judgement, Problem, check_connected, judge, parse
from smarter_crds.plugin import Plugin
from smarter_crds.runtime_config import RuntimeProblem
from smarter_crds.sql_connection import SqlConnection
from smarter_operator.cache import Cache, references_of
from smarter_operator.cluster import Manifest
from smarter_operator.findings import Verdict
from smarter_operator.kinds import API_CONNECTION, BY_NAME, PLUGIN, POD, PROVIDER, SQL_CONNECTION, STORE, Kind
from smarter_operator.observe import references
from smarter_operator.pods import PodReports
from smarter_operator.reporting import UseReporter
from smarter_operator.status import dated

_TYPE_FIELDS = {PLUGIN.name: "type", PROVIDER.name: "type", STORE.name: "type", SQL_CONNECTION.name: "engine"}
_CONNECTIONS: Mapping[str, type[SqlConnection | ApiConnection]] = {
    SQL_CONNECTION.name: SqlConnection,
    API_CONNECTION.name: ApiConnection,
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the pods of all users say about one resource."""

    problem: RuntimeProblem | None = None
    is_complete: bool = True
    """Whether all of them have been asked since this operator started."""


@dataclass(frozen=True, kw_only=True)
class ReferenceReconciler:
    """Keeps the status of Plugins, Providers, connections and Stores."""

    cache: Cache
    reports: PodReports
    reporter: UseReporter
    now: Callable[[], datetime]

    async def reconcile(self, kind: Kind, namespace: str, name: str) -> float | None:
        """Write the status if it differs. Returns the seconds after which a held count is due."""
        raw = self.cache.get(kind, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.reporter.forget(kind, (namespace, name))
            return None
        status: dict[str, Any] = {
            "observedGeneration": raw["metadata"]["generation"],
            "usedBy": len(self.cache.users(kind, namespace, name)),
            "conditions": dated(self._verdicts(kind, raw), raw, self.now()),
        }
        if kind.name in _TYPE_FIELDS:
            status["type"] = raw["spec"].get(_TYPE_FIELDS[kind.name], "")
        return await self.reporter.report(kind, raw, status)

    def _verdicts(self, kind: Kind, raw: Manifest) -> dict[str, Verdict]:
        around = references(raw, self.cache, kind) if kind is PLUGIN else None
        found = {"Accepted": accepted(judge(kind.name, raw, around))}
        if kind is PLUGIN:
            found["ConnectionResolved"] = self._connection(raw)
        ready = next((verdict for verdict in found.values() if verdict[0] != "True"), None)
        return found | {"Ready": ready or self._ready(kind, raw)}

    def _connection(self, plugin: Manifest) -> Verdict:
        for kind_name, (namespace, name) in sorted(references_of(PLUGIN, plugin)):
            if kind_name not in _CONNECTIONS:
                continue
            raw = self.cache.get(BY_NAME[kind_name], namespace, name)
            if raw is None:
                text = f"{kind_name} {name!r} is not in namespace {namespace!r}; create it, or name another."
                return "False", "ConnectionNotFound", text
            status, _, message = accepted(judge(kind_name, raw))
            if status != "True":
                return "False", "ConnectionNotAccepted", f"{kind_name} {name!r} is not accepted: {message}"
            return _suited(plugin, kind_name, raw)
        return "True", "NoneNeeded", "The Plugin needs no connection."

    def _ready(self, kind: Kind, raw: Manifest) -> Verdict:
        if kind is PLUGIN:
            return "True", "Ready", "It can be used."
        said = self._said(kind, raw)
        if said.problem is not None:
            return "False", said.problem.reason, said.problem.message
        before = {condition["type"]: condition for condition in raw.get("status", {}).get("conditions", [])}
        ready = before.get("Ready", {})
        if not said.is_complete and before.get("Accepted", {}).get("status") == "True" and ready.get("status"):
            # Who has not been asked yet takes nothing back.
            return ready["status"], ready["reason"], ready["message"]
        return "True", "Ready", "It is accepted, and no pod that uses it reports a problem with it."

    def _said(self, kind: Kind, raw: Manifest) -> Said:
        namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
        uids = [pod["metadata"]["uid"] for pod in self._pods(kind, namespace, name)]
        reports = self.reports.of(uids)
        problems = [
            problem
            for report in reports.values()
            for problem in report.problems
            if problem.resource and (problem.resource.kind, problem.resource.name) == (kind.name, name)
        ]
        # The smallest, so that the order in which pods answer changes nothing.
        first = min(problems, key=lambda problem: (problem.reason, problem.message), default=None)
        return Said(problem=first, is_complete=len(reports) == len(uids))

    def _pods(self, kind: Kind, namespace: str, name: str) -> Iterator[Manifest]:
        for user in self.cache.users(kind, namespace, name):
            pods = self.cache.children(POD, *user).values()
            yield from (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])


def _suited(plugin: Manifest, kind_name: str, connection: Manifest) -> Verdict:
    """Judge the Plugin once more, now that it is known what it asks."""
    parsed, found = parse(Plugin, plugin), parse(_CONNECTIONS[kind_name], connection)
    if not isinstance(parsed, Problem) and not isinstance(found, Problem):
        for problem in check_connected(parsed, found):
            return "False", problem.reason, problem.message
    return "True", "Resolved", f"{kind_name} {connection['metadata']['name']!r} is there and accepted."


def accepted(judgement: Judgement) -> Verdict:
    problems = judgement.problems
    if problems:
        return "False", problems[0].reason, " ".join(problem.message for problem in problems[:3])
    return "True", "Accepted", " ".join(["It can be used.", *judgement.warnings])
