"""The Ingress that leads a chatbot's hosts to its Service."""

from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.certificate import certificate_secret
from smarter_operator.resources.metadata import metadata, route_annotations

_STREAMING = {
    # Answers are streams that may pause while a tool runs; the controllers' default timeouts would cut them.
    "projectcontour.io/response-timeout": "infinity",
    "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
    "nginx.ingress.kubernetes.io/proxy-buffering": "off",
}


def ingress(chatbot: Chatbot, compiled: Compiled) -> Manifest:
    spec: dict[str, Any] = {"rules": [_rule(chatbot, host) for host in compiled.hosts]}
    if compiled.settled.class_name:
        spec["ingressClassName"] = compiled.settled.class_name
    if compiled.settled.tls_mode in ("Issuer", "Secret"):
        spec["tls"] = [_tls(chatbot, compiled, host) for host in compiled.hosts]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(chatbot, chatbot.metadata.name, _STREAMING | route_annotations(chatbot)),
        "spec": spec,
    }


def _tls(chatbot: Chatbot, compiled: Compiled, host: str) -> dict[str, Any]:
    secret = certificate_secret(chatbot, compiled, host)
    # Without a Secret controllers use their default certificate: the wildcard of the base domain.
    return {"hosts": [host]} | ({"secretName": secret} if secret else {})


def _rule(chatbot: Chatbot, host: str) -> dict[str, Any]:
    backend = {"service": {"name": chatbot.metadata.name, "port": {"name": names.HTTP_PORT_NAME}}}
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
