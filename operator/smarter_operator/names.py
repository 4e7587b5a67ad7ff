"""Names, labels, annotations and ports of everything we create. Nothing else puts names together."""

import hashlib
import json
from typing import Any

from smarter_crds.base import GROUP
from smarter_operator.kinds import CHATBOT_LABEL, WATCHED_CONFIG_MAPS

FIELD_MANAGER = "smarter-operator"

APPLIED_ANNOTATION = f"{GROUP}/applied"
"""On a child: hash of what we applied last, so that a field we no longer want is noticed."""

TEMPLATE_ANNOTATION = f"{GROUP}/template"
"""On a Deployment: hash of the pod template that we applied last, without what others added."""

ASKED_ANNOTATION = f"{GROUP}/asked-for"
"""On a Deployment: hash of what its Chatbot asked of the pods, to tell its own changes from the platform's."""

NUDGE_ANNOTATION = f"{GROUP}/config"
"""On a pod: changed to make the kubelet refresh the mounted config at once."""

HTTP_PORT_NAME = "http"
STATUS_PORT_NAME = "status"
CONTAINER = "runtime"
SECRETS_VOLUME = "secrets"


def config_map(bot: str) -> str:
    return f"{bot}-config"


def keys_config_map(bot: str) -> str:
    return f"{bot}-keys"


def session_secret(bot: str, uid: str) -> str:
    """Name of the Secret with the key that signs sessions: a Chatbot of the same name that comes later has another."""
    return f"{bot}-session-{uid[:8]}"


def certificate(bot: str, host: str) -> str:
    """Name of the Certificate of one host, and of the Secret that cert-manager fills."""
    return f"{bot}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def selector(bot: str) -> dict[str, str]:
    """Labels which find the pods of one chatbot; they can never change after creation."""
    return {CHATBOT_LABEL: bot}


def key_labels() -> dict[str, str]:
    """Labels of a Secret that holds the token of an ApiKey."""
    return {
        "app.kubernetes.io/name": "api-key",
        "app.kubernetes.io/part-of": "smarter",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
    }


def labels(bot: str) -> dict[str, str]:
    return selector(bot) | {
        "app.kubernetes.io/name": "chatbot",
        "app.kubernetes.io/instance": bot,
        "app.kubernetes.io/component": "runtime",
        "app.kubernetes.io/part-of": "smarter",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
    }


def config_map_labels(bot: str) -> dict[str, str]:
    """Labels of a ConfigMap, by which it is watched beside those that people write."""
    return labels(bot) | WATCHED_CONFIG_MAPS


def digest(value: Any) -> str:
    """Return a short hash of JSON that is equal for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
