"""The identity of a chatbot's pods; it may do nothing in the API, and carries no token."""

from smarter_crds.chatbot import Chatbot
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata
from smarter_operator.resources.pod_template import asked


def service_account(chatbot: Chatbot) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(chatbot, chatbot.metadata.name, dict(asked(chatbot).service_account_annotations)),
        "automountServiceAccountToken": False,
    }
