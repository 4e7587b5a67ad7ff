"""Which children a Chatbot has, for tests that count them."""

from smarter_operator.kinds import (
    CERTIFICATE,
    CHILDREN,
    CONFIG_MAP,
    DEPLOYMENT,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
)
from support.api import Api, ApiError, Manifest

INGRESS_BOT = (SERVICE_ACCOUNT, CONFIG_MAP, DEPLOYMENT, SERVICE, INGRESS, CERTIFICATE, NETWORK_POLICY)
"""The kinds of which a bot with one pod and one certified host behind an Ingress has one each, and of no other any;
in a cluster without the Prometheus operator."""


async def children(api: Api, namespace: str, bot: str = "") -> list[Manifest]:
    """Return the children of all Chatbots, or of one; with their kind."""
    selector = f"smarter.sh/chatbot={bot}" if bot else "smarter.sh/chatbot"
    found = []
    for kind in CHILDREN:
        try:
            items = await api.list_all(kind.name, namespace, selector)
        except ApiError as error:
            if not (kind.optional and error.code == 404):
                raise
            continue
        found += [{"kind": kind.name, **item} for item in items]
    return found
