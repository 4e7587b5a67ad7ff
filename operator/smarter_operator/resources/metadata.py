"""The metadata that everything we make carries."""

from typing import Any

from smarter_crds.base import API_VERSION, Metadata
from smarter_crds.chatbot import Chatbot
from smarter_operator import names


def metadata(chatbot: Chatbot, name: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """Return name, labels and owner of a child of `chatbot`."""
    made = owned("Chatbot", chatbot.metadata, name, names.labels(chatbot.metadata.name))
    return made | ({"annotations": annotations} if annotations else {})


def owned(kind: str, owner: Metadata, name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return name, labels and owner; garbage collection follows the owner reference."""
    return {
        "name": name,
        "namespace": owner.namespace,
        "labels": labels,
        "ownerReferences": [
            {"apiVersion": API_VERSION, "kind": kind, "name": owner.name, "uid": owner.uid, "controller": True}
        ],
    }


def route_annotations(chatbot: Chatbot) -> dict[str, str]:
    """Return what the user adds to the route; `compile` has refused what the platform does not allow."""
    return dict(chatbot.spec.exposure.annotations) if chatbot.spec.exposure else {}
