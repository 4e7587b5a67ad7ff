"""The operator's Prometheus metrics; their names are API."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("smarter_reconcile", "Reconciliations.", ["kind", "result"])
RECONCILE_SECONDS = Histogram("smarter_reconcile_duration_seconds", "Duration of one reconciliation.", ["kind"])
QUEUE_DEPTH = Gauge("smarter_queue_depth", "Resources waiting to be reconciled.")
QUEUE_OLDEST_SECONDS = Gauge("smarter_queue_oldest_seconds", "How long the oldest resource has been waiting.")
LOOP_LAG_SECONDS = Gauge("smarter_loop_lag_seconds", "How much too late the event loop came round last.")
WATCH_STALENESS_SECONDS = Gauge(
    "smarter_watch_staleness_seconds", "How long a kind's watch has brought no event and no bookmark.", ["kind"]
)
LEADER = Gauge("smarter_leader", "1 while this replica leads, else 0.")
API_REQUESTS = Counter("smarter_api_requests", "Calls of the Kubernetes API.", ["verb", "kind", "code"])
API_SECONDS = Histogram("smarter_api_request_duration_seconds", "Duration of calls of the Kubernetes API.", ["verb"])
CONDITION = Gauge(
    "smarter_chatbot_condition",
    "Conditions of the Chatbots: 1 for the status that holds, else 0.",
    ["namespace", "name", "type", "status"],
)
INFO = Gauge("smarter_chatbot_info", "The Chatbots and their models.", ["namespace", "name", "model"])
CERTIFICATE_EXPIRY = Gauge(
    "smarter_certificate_expiry_timestamp_seconds",
    "When a host's certificate ends, as Unix time.",
    ["namespace", "name", "host"],
)
ADMISSIONS = Counter("smarter_admissions", "Resources judged for the API server.", ["kind", "result"])


def api_request(verb: str, kind: str, code: str, seconds: float) -> None:
    API_REQUESTS.labels(verb, kind, code).inc()
    API_SECONDS.labels(verb).observe(seconds)


def observe_watches(staleness: Mapping[str, float]) -> None:
    """Show the watches that there are now."""
    WATCH_STALENESS_SECONDS.clear()
    for kind, seconds in staleness.items():
        WATCH_STALENESS_SECONDS.labels(kind).set(seconds)


def observe_chatbot(name: tuple[str, str], before: dict[str, Any], status: dict[str, Any]) -> None:
    """Show a Chatbot's conditions, model and certificates as they are now."""
    for condition in status["conditions"]:
        for value in ("True", "False", "Unknown"):
            CONDITION.labels(*name, condition["type"], value).set(condition["status"] == value)
    if before.get("model", "") != status.get("model", ""):
        with suppress(KeyError):
            INFO.remove(*name, before.get("model", ""))
    INFO.labels(*name, status.get("model", "")).set(1)
    for host in status.get("hosts", []):
        if ends := host.get("certificate", {}).get("notAfter"):
            CERTIFICATE_EXPIRY.labels(*name, host["host"]).set(datetime.fromisoformat(ends).timestamp())


def forget_chatbot(name: tuple[str, str]) -> None:
    for gauge in (CONDITION, INFO, CERTIFICATE_EXPIRY):
        gauge.remove_by_labels({"namespace": name[0], "name": name[1]})
