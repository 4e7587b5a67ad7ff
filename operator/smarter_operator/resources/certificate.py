"""One Certificate per host, so that one name that cannot be certified does not block the others."""

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CERTIFICATE
from smarter_operator.resources.metadata import metadata


def certificate(chatbot: Chatbot, compiled: Compiled, host: str) -> Manifest:
    issuer = compiled.settled.issuer_ref
    assert issuer is not None, "compile refuses a bot whose certificates have no issuer"
    name = names.certificate(chatbot.metadata.name, host)
    return {
        "apiVersion": CERTIFICATE.api_version,
        "kind": CERTIFICATE.name,
        "metadata": metadata(chatbot, name),
        "spec": {
            "secretName": name,
            "dnsNames": [host],
            "issuerRef": {"group": CERTIFICATE.group, "kind": issuer.kind or "ClusterIssuer", "name": issuer.name},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth"],
        },
    }


def certificate_secret(chatbot: Chatbot, compiled: Compiled, host: str) -> str:
    """Return the Secret with the certificate of `host`; empty where the controller has one for it."""
    if host in compiled.settled.certified_hosts:
        return names.certificate(chatbot.metadata.name, host)
    return compiled.settled.tls_secret if host in compiled.settled.secret_hosts else ""
