"""The operator's Prometheus metrics; their names are API."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from smarter_operator.chatbot_metrics import ChatbotMetrics

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
CHATBOTS = ChatbotMetrics()
ADMISSIONS = Counter("smarter_admissions", "Resources judged for the API server.", ["kind", "result"])


def api_request(verb: str, kind: str, code: str, seconds: float) -> None:
    API_REQUESTS.labels(verb, kind, code).inc()
    API_SECONDS.labels(verb).observe(seconds)


def observe_watches(staleness: Mapping[str, float]) -> None:
    """Show the watches that there are now."""
    WATCH_STALENESS_SECONDS.clear()
    for kind, seconds in staleness.items():
        WATCH_STALENESS_SECONDS.labels(kind).set(seconds)
