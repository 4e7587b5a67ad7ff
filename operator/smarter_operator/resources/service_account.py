"""The identity of a chatbot's pods; it may do nothing in the API, and carries no token."""

from smarter_crds.chatbot import Chatbot
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata


def service_account(chatbot: Chatbot) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "automountServiceAccountToken": False,
    }
