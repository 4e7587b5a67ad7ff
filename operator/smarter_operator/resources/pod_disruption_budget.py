"""The PodDisruptionBudget that keeps a drain of nodes from taking all pods of a chatbot at once."""

from smarter_crds.chatbot import Chatbot
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata

MIN_REPLICAS = 2
"""With fewer pods a budget would only block drains, or mean nothing."""


def pod_disruption_budget(chatbot: Chatbot) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": names.selector(chatbot.metadata.name)},
        },
    }
