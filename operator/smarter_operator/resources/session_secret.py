"""The Secret with the key that signs what a bot gives to its visitors. The operator creates it, and cannot read it."""

import base64

from smarter_crds.base import Metadata
from smarter_crds.session_key import SESSION_KEY_FILE
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import owned


def session_secret(bot: Metadata, key: bytes) -> Manifest:
    metadata = owned("Chatbot", bot, names.session_secret(bot.name, bot.uid), names.labels(bot.name))
    data = {SESSION_KEY_FILE: base64.b64encode(key).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
