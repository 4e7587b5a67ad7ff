"""The HTTPRoute that leads a chatbot's hosts to its Service, where the Gateway API is used instead of an Ingress."""

from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import HTTP_ROUTE
from smarter_operator.resources.metadata import metadata, route_annotations
from smarter_operator.resources.service import SERVICE_PORT


def http_route(chatbot: Chatbot, compiled: Compiled) -> Manifest:
    gateway = compiled.settled.gateway_ref
    assert gateway is not None, "the API refuses a bot with an HTTPRoute and no Gateway"
    # What the API server would fill in stands here too: these lists are compared as one value.
    parent = {"group": HTTP_ROUTE.group, "kind": "Gateway"} | gateway.model_dump(by_alias=True, exclude_none=True)
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": metadata(chatbot, chatbot.metadata.name, route_annotations(chatbot)),
        "spec": {"parentRefs": [parent], "hostnames": list(compiled.hosts), "rules": [_rule(chatbot)]},
    }


def _rule(chatbot: Chatbot) -> dict[str, Any]:
    backend = {"group": "", "kind": "Service", "name": chatbot.metadata.name, "port": SERVICE_PORT, "weight": 1}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        # Answers are streams that may pause while a tool runs; zero means no limit.
        "timeouts": {"request": "0s"},
        "backendRefs": [backend],
    }
