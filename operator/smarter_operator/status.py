"""Facts → the status that is written: computed whole, compared, and written once if it differs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.conditions import conditions
from smarter_operator.findings import Verdict
from smarter_operator.hosts import Standing
from smarter_operator.kinds import CERTIFICATE, DEPLOYMENT
from smarter_operator.outcome import Outcome

Status = dict[str, Any]

_MESSAGE_CHARACTERS = 32768
"""Most that the API server takes; what an admission webhook says may be longer."""


def chatbot_status(raw: Manifest, outcome: Outcome, now: datetime) -> Status:
    """Return the whole status of the Chatbot `raw`; `now` stamps the conditions that flip."""
    bot, before = raw["metadata"]["name"], raw.get("status", {})
    compiled = outcome.compiled
    # Of a Chatbot that is refused, what its last good spec brought about stays in service.
    last_good = before if outcome.problems else {}
    deployment = (outcome.world.child(DEPLOYMENT, bot) or {}).get("status", {})
    found: Status = {
        "observedGeneration": raw["metadata"]["generation"],
        "state": compiled.settled.state,
        "url": compiled.url or last_good.get("url", ""),
        "hosts": [_host(bot, standing, outcome, before) for standing in outcome.hosts],
        "model": compiled.model or last_good.get("model", ""),
        "configHash": outcome.config_hash,
        "sessionSecret": outcome.session_secret,
        "replicas": deployment.get("replicas", 0),
        "readyReplicas": deployment.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in names.selector(bot).items()),
        "pluginCount": len(compiled.plugins),
        "plugins": [plugin.model_dump(by_alias=True) for plugin in compiled.plugins],
        "defaults": compiled.defaults.model_dump(mode="json", by_alias=True, exclude_none=True),
        "conditions": dated(conditions(bot, outcome) | _standing_findings(outcome, before), raw, now),
    }
    expiries = [
        str(c["status"]["notAfter"]) for c in outcome.world.of_kind(CERTIFICATE) if "notAfter" in c.get("status", {})
    ]
    if expiries:
        found["certificateExpiry"] = min(expiries)
    return {key: value for key, value in found.items() if value not in ("", [], {})}


def dated(found: Mapping[str, Verdict], raw: Manifest, now: datetime) -> list[dict[str, Any]]:
    """Write verdicts as conditions; one whose status did not flip keeps its time."""
    before = {condition["type"]: condition for condition in raw.get("status", {}).get("conditions", [])}
    return [_condition(name, verdict, before.get(name, {}), raw, now) for name, verdict in found.items()]


def _condition(name: str, verdict: Verdict, before: Mapping[str, Any], raw: Manifest, now: datetime) -> dict[str, Any]:
    status, reason, message = verdict
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = before.get("lastTransitionTime", stamp) if before.get("status") == status else stamp
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": message if len(message) <= _MESSAGE_CHARACTERS else message[: _MESSAGE_CHARACTERS - 1] + "…",
        "observedGeneration": raw["metadata"]["generation"],
        "lastTransitionTime": kept,
    }


def _host(bot: str, standing: Standing, outcome: Outcome, before: Status) -> dict[str, Any]:
    found: dict[str, Any] = {"host": standing.host}
    if standing.claim != "Free":
        found["claimed"] = standing.claim == "Held"
    if certificate := outcome.world.child(CERTIFICATE, names.certificate(bot, standing.host)):
        found["certificate"] = _certificate(certificate)
    return found | _finding(standing.host, outcome, before)


def _certificate(certificate: Manifest) -> dict[str, Any]:
    status = certificate.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    found = {"ready": ready, "secretName": certificate["metadata"]["name"]}
    return found | ({"notAfter": status["notAfter"]} if "notAfter" in status else {})


def _finding(host: str, outcome: Outcome, before: Status) -> dict[str, bool]:
    """Return what probes found at a host; until they know anew, what stands in the status before."""
    if not outcome.findings or host not in outcome.findings:
        return {}
    finding = outcome.findings[host]
    if finding is None:
        known: dict[str, Any] = next((entry for entry in before.get("hosts", []) if entry["host"] == host), {})
        return {key: known[key] for key in ("resolved", "reachable") if key in known}
    verdicts = {"resolved": finding.dns, "reachable": finding.reach}
    return {key: status == "True" for key, (status, _, _) in verdicts.items() if status != "Unknown"}


def _standing_findings(outcome: Outcome, before: Status) -> dict[str, Verdict]:
    """Return the conditions of the status before that hold until its hosts have been probed often enough again."""
    findings = outcome.findings or {}
    served = {entry["host"] for entry in before.get("hosts", []) if entry.get("claimed")}
    if all(findings.values()) or not findings.keys() <= served:
        return {}
    conditions = {condition["type"]: condition for condition in before.get("conditions", [])}
    known = {name: conditions[name] for name in ("DNSReady", "Reachable") if name in conditions}
    return {
        name: (condition["status"], condition["reason"], condition["message"])
        for name, condition in known.items()
        if condition["reason"] not in ("NotProbed", "NotExposed")
    }
