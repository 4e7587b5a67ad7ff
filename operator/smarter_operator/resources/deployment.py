"""The Deployment that runs a chatbot's pods. Nothing in the pod template depends on the config's content."""

from collections.abc import Sequence
from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_crds.keys_config import KEYS_KEY
from smarter_crds.runtime_config import API_PORT, CONFIG_DIRECTORY, DATA_DIRECTORY, SECRETS_DIRECTORY, STATUS_PORT
from smarter_crds.session_key import SESSION_KEY_FILE
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata
from smarter_operator.resources.pod_template import environment, pod_metadata, scheduling
from smarter_operator.resources.secret_volume import Mount, mounts, secret_volume
from smarter_operator.settings import Settings

DRAIN_SECONDS = 30
"""What a pod gets beyond its longest answer before it is killed."""

_USER = 65532


def deployment(chatbot: Chatbot, compiled: Compiled, settings: Settings, lingering: Sequence[Mount] = ()) -> Manifest:
    """Build it; `lingering` is mounted beside what the config uses."""
    bot = chatbot.metadata.name
    secrets = sorted((*mounts(compiled.secrets), *lingering), key=lambda mount: mount.path)
    # With autoscaling the number of pods belongs to the autoscaler.
    template = {"metadata": pod_metadata(chatbot), "spec": _pod(chatbot, compiled, settings, secrets)}
    hashes = {
        names.ASKED_ANNOTATION: names.digest(_asked(chatbot)),
        names.TEMPLATE_ANNOTATION: names.digest(template),
    }
    replicas = {} if compiled.settled.autoscaling else {"replicas": compiled.settled.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(chatbot, bot, hashes),
        "spec": replicas
        | {
            "selector": {"matchLabels": names.selector(bot)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 3,
            "template": template,
        },
    }


def _asked(chatbot: Chatbot) -> dict[str, Any]:
    """Return what the Chatbot itself says about its pods, and nothing that it leaves open."""
    said = {"scaling", "resources", "runtime", "pod_template"}
    limits = chatbot.spec.limits.max_answer_seconds if chatbot.spec.limits else None
    return chatbot.spec.model_dump(mode="json", include=said, exclude_defaults=True) | {
        "limits": limits,
    }


def _pod(chatbot: Chatbot, compiled: Compiled, settings: Settings, secrets: Sequence[Mount]) -> dict[str, Any]:
    assert compiled.config is not None
    return {
        "serviceAccountName": chatbot.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": compiled.config.limits.max_answer_seconds + DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(chatbot, compiled, settings)],
        "volumes": _volumes(chatbot, secrets),
    } | scheduling(chatbot, compiled)


def _container(chatbot: Chatbot, compiled: Compiled, settings: Settings) -> dict[str, Any]:
    return {
        "name": names.CONTAINER,
        "image": compiled.settled.image or settings.runtime_image,
        "imagePullPolicy": settings.runtime_image_pull_policy,
        "env": environment(
            chatbot, [{"name": "SMARTER_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]
        ),
        "ports": [
            {"name": names.HTTP_PORT_NAME, "containerPort": API_PORT, "protocol": "TCP"},
            {"name": names.STATUS_PORT_NAME, "containerPort": STATUS_PORT, "protocol": "TCP"},
        ],
        "resources": compiled.settled.resources.model_dump(exclude_defaults=True),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": _probe("/livez", period_seconds=1, failure_threshold=120),
        "readinessProbe": _probe("/readyz", period_seconds=2, failure_threshold=2),
        "livenessProbe": _probe("/livez", period_seconds=10, failure_threshold=6),
        # Routers go on sending for a moment after they are told; the pod answers until they have heard.
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            {"name": "data", "mountPath": DATA_DIRECTORY},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": names.SECRETS_VOLUME, "mountPath": SECRETS_DIRECTORY, "readOnly": True},
        ],
    }


def _probe(path: str, *, period_seconds: int, failure_threshold: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": names.HTTP_PORT_NAME},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 3,
        "failureThreshold": failure_threshold,
    }


def _volumes(chatbot: Chatbot, secrets: Sequence[Mount]) -> list[dict[str, Any]]:
    session = Mount(
        names.session_secret(chatbot.metadata.name, chatbot.metadata.uid), SESSION_KEY_FILE, SESSION_KEY_FILE
    )
    return [
        {"name": "config", "projected": {"sources": _config_sources(chatbot.metadata.name)}},
        {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        secret_volume((session, *secrets)),
    ]


def _config_sources(bot: str) -> list[dict[str, Any]]:
    """Return what lies in the folder of the config; one folder, for all of it changes at once and one watch sees it."""
    keys = {"name": names.keys_config_map(bot), "items": [{"key": KEYS_KEY, "path": KEYS_KEY}]}
    return [
        {"configMap": {"name": names.config_map(bot)}},
        # Optional: a bot that no key opens has none.
        {"configMap": keys | {"optional": True}},
    ]
