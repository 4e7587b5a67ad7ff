"""The listeners that a chatbot adds to its Gateway: one per host that has a certificate of its own."""

from typing import Any

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import LISTENER_SET
from smarter_operator.resources.certificate import certificate_secret
from smarter_operator.resources.metadata import metadata

HTTPS_PORT = 443


def listener_set(chatbot: Chatbot, compiled: Compiled) -> Manifest:
    gateway = compiled.settled.gateway_ref
    assert gateway is not None, "the API refuses a bot with an HTTPRoute and no Gateway"
    # What the API server would fill in stands here too, as in the route.
    parent = {"group": LISTENER_SET.group, "kind": "Gateway", "name": gateway.name}
    return {
        "apiVersion": LISTENER_SET.api_version,
        "kind": LISTENER_SET.name,
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "spec": {
            "parentRef": parent | ({"namespace": gateway.namespace} if gateway.namespace else {}),
            "listeners": [_listener(chatbot, compiled, host) for host in compiled.settled.listener_hosts],
        },
    }


def _listener(chatbot: Chatbot, compiled: Compiled, host: str) -> dict[str, Any]:
    secret = {"group": "", "kind": "Secret", "name": certificate_secret(chatbot, compiled, host)}
    return {
        "name": host,
        "hostname": host,
        "port": HTTPS_PORT,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [secret]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
