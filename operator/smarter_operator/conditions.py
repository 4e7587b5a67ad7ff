"""Facts → conditions: the reasons and sentences of a Chatbot's status."""

from collections.abc import Mapping, Sequence

from smarter_crds.compile import Problem
from smarter_crds.runtime_config import RuntimeProblem
from smarter_operator.cluster import Manifest
from smarter_operator.exposure import certificate_ready, dns_ready, hosts_accepted, reachable, route_ready
from smarter_operator.findings import Verdict
from smarter_operator.kinds import DEPLOYMENT, STORE
from smarter_operator.observe import World
from smarter_operator.outcome import Outcome
from smarter_operator.pods import PodReport
from smarter_operator.scaling import scaling_active
from smarter_operator.troubles import Troubles, troubles

NOT_ASKED = "NotAsked"
UNREACHABLE = "Unreachable"

_MOUNTING = (
    "The newest config uses Secrets that not all pods have mounted yet; they serve the last one until their rollout is "
    "over."
)

_WAITS = "They still run as before: what changes for many bots waits, for only so many are renewed at a time."

_MAY_BE_UNKNOWN = frozenset({"ConfigLive", "ScalingActive"})
"""What may be unknown of a bot that is Ready: a pod that cannot be asked may serve all the same, and an autoscaler is
judged seconds after it is made."""


def conditions(bot: str, outcome: Outcome) -> dict[str, Verdict]:
    """Return the verdict on every condition, Ready last."""
    found = {
        "Accepted": _accepted(outcome),
        "PluginsResolved": _plugins_resolved(outcome),
        "ConfigLive": _config_live(outcome),
        "Available": _available(bot, outcome),
        "HostsAccepted": hosts_accepted(outcome),
        "RouteReady": route_ready(bot, outcome),
        "CertificateReady": certificate_ready(outcome),
    }
    if scaling := scaling_active(bot, outcome):
        found["ScalingActive"] = scaling
    informing = {
        "LimitsShared": _limits_shared(outcome),
        "DNSReady": dns_ready(outcome),
        "Reachable": reachable(outcome),
    }
    return found | informing | {"Ready": _ready(found, outcome)}


def _ready(found: dict[str, Verdict], outcome: Outcome) -> Verdict:
    for name, (status, reason, message) in found.items():
        if status == "False" or (status == "Unknown" and name not in _MAY_BE_UNKNOWN):
            return "False", reason, message
    if outcome.compiled.settled.state == "Offline":
        return "True", "Offline", "The chatbot is offline, as asked for: no pod runs and no route leads to it."
    if outcome.compiled.settled.state == "Maintenance":
        where = outcome.compiled.url or "its Service"
        return "True", "Maintenance", f"The chatbot is in maintenance, as asked for: {where} says that it is away."
    return "True", "Ready", f"The chatbot answers at {outcome.compiled.url or 'its Service'}."


def _accepted(outcome: Outcome) -> Verdict:
    if outcome.problems:
        return "False", outcome.problems[0].reason, _sentences(outcome.problems)
    without_effect = " ".join(outcome.compiled.warnings)
    return "True", "Accepted", f"Everything that was asked for can be done. {without_effect}".rstrip()


def _plugins_resolved(outcome: Outcome) -> Verdict:
    problems = outcome.compiled.plugin_problems
    if problems:
        return "False", problems[0].reason, _sentences(problems)
    if reported := _troubles(outcome).plugins:
        return "False", reported[0].reason, _sentences(reported)
    count = len(outcome.compiled.plugins)
    return "True", "Resolved", "No plugin is asked for." if count == 0 else f"All plugins ({count}) are in use."


def _config_live(outcome: Outcome) -> Verdict:
    world, wanted = outcome.world, outcome.config_hash
    if not wanted:
        return "Unknown", "NoConfig", "There is no config to serve yet."
    if not world.pods:
        return "Unknown", "NoPods", "No pod runs that could be asked."
    if any(pod["metadata"]["uid"] not in world.reports for pod in world.pods):
        return "Unknown", NOT_ASKED, "The pods are being asked what they serve."
    said = {pod["metadata"]["name"]: world.reports[pod["metadata"]["uid"]] for pod in world.pods}
    if outcome.mounting:
        return "False", "MountingSecrets", _MOUNTING
    if behind := _behind(said, outcome):
        return behind
    return "True", "Live", f"All pods ({len(said)}) serve config {wanted[:12]}."


def _behind(said: Mapping[str, PodReport], outcome: Outcome) -> Verdict | None:
    if old := {name: report for name, report in said.items() if report.config_hash not in ("", outcome.config_hash)}:
        return "False", "OldConfig", _old_config(old, outcome.config_hash, len(said))
    if late := [name for name, report in said.items() if report.keys_hash not in (None, outcome.keys_hash)]:
        return (
            "False",
            "OldKeys",
            f"Pod {late[0]!r} does not know the newest ApiKeys ({len(late)} of {len(said)} pods).",
        )
    if silent := [name for name, report in said.items() if not report.config_hash]:
        return "Unknown", UNREACHABLE, f"Pod {silent[0]!r} does not answer at its status port."
    return None


def _old_config(old: Mapping[str, PodReport], wanted: str, pods: int) -> str:
    name, report = next(iter(old.items()))
    why = next((f": {problem.message}" for problem in report.problems if problem.resource is None), "")
    served = f"{report.config_hash[:12]} instead of {wanted[:12]}"
    return f"Pod {name!r} serves config {served} ({len(old)} of {pods} pods){why or '.'}"


def _available(bot: str, outcome: Outcome) -> Verdict:
    world = outcome.world
    if outcome.refused:
        return "False", outcome.refused[0].reason, _sentences(outcome.refused)
    if outcome.compiled.settled.state == "Offline" and not outcome.problems:
        return _stopped(world)
    live = world.child(DEPLOYMENT, bot)
    if live is None:
        return "False", "NotDeployed", "There is no Deployment yet."
    if failure := _pod_failure(world):
        return failure
    reported = _troubles(outcome)
    if reported.answers:
        return "False", reported.answers[0].reason, reported.answers[0].message
    verdict = _rolled_out(live, autoscaled=outcome.compiled.settled.autoscaling is not None)
    return _beside(reported.besides, _or_waiting(verdict, outcome.waits))


def _troubles(outcome: Outcome) -> Troubles:
    return troubles(outcome.world.reports.values(), outcome.compiled.config)


def _limits_shared(outcome: Outcome) -> Verdict:
    store = outcome.compiled.settled.store
    if not store:
        return "False", "Embedded", (
            "Limits, conversations and usage are kept in the pod: for one pod only, and forgotten with it; name a "
            "Store in `spec.storeRef` to keep and share them."
        )  # fmt: skip
    reported = (problem for report in outcome.world.reports.values() for problem in report.problems)
    ours = (STORE.name, store)
    if problem := next((p for p in reported if p.resource and (p.resource.kind, p.resource.name) == ours), None):
        return "False", problem.reason, problem.message
    return "True", "Shared", f"Limits, budgets, conversations and usage are kept in Store {store!r}."


def _beside(reported: Sequence[RuntimeProblem], verdict: Verdict) -> Verdict:
    status, reason, message = verdict
    return (status, reason, f"{message} {_sentences(reported)}") if reported and status == "True" else verdict


def _or_waiting(verdict: Verdict, waits: bool) -> Verdict:
    if waits and verdict[0] == "True":
        return "True", "RolloutWaiting", f"{verdict[2]} {_WAITS}"
    return verdict


def _stopped(world: World) -> Verdict:
    if world.pods:
        return "False", "Stopping", f"Pods that still stop: {len(world.pods)}."
    return "True", "Stopped", "No pod runs, as asked for."


def _why_zero(autoscaled: bool) -> str:
    if autoscaled:
        return (
            "The Deployment was scaled to 0, which switches its autoscaler off, so nothing answers; scale it to 1 with "
            "`kubectl scale deployment`."
        )
    return "`spec.scaling.replicas` is 0, so nothing answers."


def _rolled_out(deployment: Manifest, *, autoscaled: bool) -> Verdict:
    status = deployment.get("status", {})
    if failure := next((c for c in status.get("conditions", []) if _is_refusal(c)), None):
        return "False", "PodsRefused", f"No pod could be made: {failure.get('message', '').strip()}"
    wanted = deployment["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if wanted == 0:
        return "False", "ScaledToZero", _why_zero(autoscaled)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0) or updated < wanted:
        return "False", "RollingOut", f"{updated} of {wanted} pods have the new template."
    if ready < wanted or status.get("replicas", 0) > updated:
        return "False", "Deploying", f"{ready} of {wanted} pods are ready."
    return "True", "Serving", f"{ready} of {wanted} pods are ready."


def _is_refusal(condition: Manifest) -> bool:
    return bool(condition["type"] == "ReplicaFailure" and condition["status"] == "True")


_HARMLESS_WAITING = frozenset({"ContainerCreating", "PodInitializing"})


def _pod_failure(world: World) -> Verdict | None:
    """Say why a container does not start, in the words of the kubelet or in its own last words."""
    for pod in world.pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting", {})
            reason = waiting.get("reason", "")
            if reason and reason not in _HARMLESS_WAITING:
                last_words = container.get("lastState", {}).get("terminated", {}).get("message", "")
                said = (last_words or waiting.get("message", "")).strip()[-512:]
                return "False", reason, f"Pod {pod['metadata']['name']!r} does not start: {said or reason}"
        if message := _unschedulable(pod):
            return "False", "Unschedulable", f"Pod {pod['metadata']['name']!r} finds no node: {message}"
    return None


def _unschedulable(pod: Manifest) -> str:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((c.get("message", "") for c in conditions if c.get("reason") == "Unschedulable"), "")


def _sentences(problems: Sequence[Problem] | Sequence[RuntimeProblem]) -> str:
    more = f" (and {len(problems) - 3} more problems)" if len(problems) > 3 else ""
    return " ".join(problem.message for problem in problems[:3]) + more
