"""The metadata that all children of a Chatbot carry."""

from typing import Any

from smarter_crds.base import API_VERSION
from smarter_crds.chatbot import Chatbot
from smarter_operator import names


def metadata(chatbot: Chatbot, name: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return name, labels and owner; garbage collection follows the owner reference."""
    made: dict[str, Any] = {
        "name": name,
        "namespace": chatbot.metadata.namespace,
        "labels": names.labels(chatbot.metadata.name),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "Chatbot",
                "name": chatbot.metadata.name,
                "uid": chatbot.metadata.uid,
                "controller": True,
            }
        ],
    }
    return made | ({"annotations": annotations} if annotations else {})


def route_annotations(chatbot: Chatbot) -> dict[str, str]:
    """Return what the user adds to the route; `compile` has refused what the platform does not allow."""
    return dict(chatbot.spec.exposure.annotations) if chatbot.spec.exposure else {}
