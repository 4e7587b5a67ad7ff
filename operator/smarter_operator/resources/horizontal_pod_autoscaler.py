"""The HorizontalPodAutoscaler that follows the answers under way, and never the CPU, which says nothing here."""

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Autoscaling
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from smarter_operator.resources.metadata import metadata

METRIC = "smarter_requests_in_flight"
"""A gauge of every pod, to be served by a metrics adapter."""


def horizontal_pod_autoscaler(chatbot: Chatbot, autoscaling: Autoscaling) -> Manifest:
    bot = chatbot.metadata.name
    target = {"type": "AverageValue", "averageValue": _quantity(autoscaling.target_in_flight)}
    return {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.name,
        "metadata": metadata(chatbot, bot),
        "spec": {
            "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "name": bot},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": target}}],
        },
    }


def _quantity(number: int) -> str:
    """Write a number as the API server does, for the list it stands in is compared as one value."""
    return f"{number // 1000}k" if number % 1000 == 0 else str(number)
