"""The Service in front of a chatbot's pods."""

from smarter_crds.chatbot import Chatbot
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata

SERVICE_PORT = 80


def service(chatbot: Chatbot) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "spec": {
            "type": "ClusterIP",
            "selector": names.selector(chatbot.metadata.name),
            "ports": [
                {
                    "name": names.HTTP_PORT_NAME,
                    "port": SERVICE_PORT,
                    "targetPort": names.HTTP_PORT_NAME,
                    "protocol": "TCP",
                    "appProtocol": "http",
                }
            ],
        },
    }
