"""Credentials and encryption of a connection: how they appear in the config, and which keys of Secrets they need."""

from collections.abc import Iterator

from smarter_crds.compile.model import SecretFile
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.references import CredentialsSecret, Tls

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
"""The keys of a Secret of type `kubernetes.io/tls`."""


def credentials_config(thing: str, secret: CredentialsSecret | None) -> CredentialsConfig | None:
    """Return where the credentials of `thing` are; `thing` is unique among all that the pod dials."""
    if secret is None:
        return None
    return CredentialsConfig(username_file=f"username-of-{thing}", password_file=f"password-of-{thing}")


def credentials_files(thing: str, secret: CredentialsSecret | None) -> Iterator[SecretFile]:
    if secret is not None:
        yield SecretFile(secret.name, secret.username_key or "username", f"username-of-{thing}")
        yield SecretFile(secret.name, secret.password_key or "password", f"password-of-{thing}")


def tls_config(thing: str, tls: Tls | None) -> TlsConfig:
    """Return how the connection to `thing` is encrypted; what has no effect in the mode is left out."""
    mode = (tls and tls.mode) or "VerifyFull"
    if tls is None or mode == "Disabled":
        return TlsConfig(mode=mode)
    certificate = tls.client_cert_secret
    return TlsConfig(
        mode=mode,
        ca_file=f"ca-of-{thing}" if tls.ca_secret and mode != "Required" else "",
        client_cert_file=f"certificate-of-{thing}" if certificate else "",
        client_key_file=f"key-of-{thing}" if certificate and certificate.key is None else "",
    )


def tls_files(thing: str, tls: Tls | None) -> Iterator[SecretFile]:
    config = tls_config(thing, tls)
    if tls and tls.ca_secret and config.ca_file:
        yield SecretFile(tls.ca_secret.name, tls.ca_secret.key, config.ca_file)
    certificate = tls.client_cert_secret if tls else None
    if certificate and config.client_cert_file:
        yield SecretFile(certificate.name, certificate.key or _CERTIFICATE, config.client_cert_file)
    if certificate and config.client_key_file:
        yield SecretFile(certificate.name, _KEY, config.client_key_file)
