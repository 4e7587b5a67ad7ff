"""The PodMonitor by which a Prometheus operator learns where a chatbot's pods show their metrics."""

from smarter_crds.chatbot import Chatbot
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import POD_MONITOR
from smarter_operator.resources.metadata import metadata


def pod_monitor(chatbot: Chatbot) -> Manifest:
    return {
        "apiVersion": POD_MONITOR.api_version,
        "kind": POD_MONITOR.name,
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "spec": {
            "selector": {"matchLabels": names.selector(chatbot.metadata.name)},
            "podMetricsEndpoints": [{"port": names.STATUS_PORT_NAME, "path": "/metrics"}],
        },
    }
