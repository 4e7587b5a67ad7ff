"""The HTTPRoute that leads a chatbot's hosts to its Service, where the Gateway API is used instead of an Ingress."""

from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import HTTP_ROUTE, LISTENER_SET
from smarter_operator.resources.metadata import metadata, route_annotations
from smarter_operator.resources.service import SERVICE_PORT


def http_route(chatbot: Chatbot, compiled: Compiled) -> Manifest:
    bot = chatbot.metadata.name
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": metadata(chatbot, bot, route_annotations(chatbot)),
        "spec": {"parentRefs": _parents(bot, compiled), "hostnames": list(compiled.hosts), "rules": [_rule(chatbot)]},
    }


def _parents(bot: str, compiled: Compiled) -> list[dict[str, Any]]:
    """Return where the route is attached: to listeners of the bot's own, and to the Gateway for its other hosts.

    What the API server would fill in stands here too: these lists are compared as one value.
    """
    gateway, own = compiled.settled.gateway_ref, compiled.settled.listener_hosts
    assert gateway is not None, "the API refuses a bot with an HTTPRoute and no Gateway"
    parents: list[dict[str, Any]] = []
    if own:
        parents.append({"group": LISTENER_SET.group, "kind": LISTENER_SET.name, "name": bot})
    if set(own) != set(compiled.hosts):
        named = gateway.model_dump(by_alias=True, exclude_none=True)
        parents.append({"group": HTTP_ROUTE.group, "kind": "Gateway"} | named)
    return parents


def _rule(chatbot: Chatbot) -> dict[str, Any]:
    backend = {"group": "", "kind": "Service", "name": chatbot.metadata.name, "port": SERVICE_PORT, "weight": 1}
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        # Answers are streams that may pause while a tool runs; zero means no limit.
        "timeouts": {"request": "0s"},
        "backendRefs": [backend],
    }
