"""Credentials and encryption of a connection: how they appear in the config, and which keys of Secrets they need."""

from collections.abc import Iterator, Mapping

from smarter_crds.compile.model import SecretFile
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.references import CredentialsSecret, Tls, TlsMode

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
"""The keys of a Secret of type `kubernetes.io/tls`."""


def credentials_config(thing: str, secret: CredentialsSecret | None) -> CredentialsConfig | None:
    """Return where the credentials of `thing` are; `thing` is unique among all that the pod dials."""
    if secret is None:
        return None
    username, password = credentials_files(thing, secret)
    return CredentialsConfig(username_file=username.path, password_file=password.path)


def credentials_files(thing: str, secret: CredentialsSecret | None) -> tuple[SecretFile, ...]:
    """Return the files with the user's name and password, in this order; none without a Secret."""
    if secret is None:
        return ()
    return (
        SecretFile(secret.name, secret.username_key or "username", f"username-of-{thing}"),
        SecretFile(secret.name, secret.password_key or "password", f"password-of-{thing}"),
    )


def tls_config(thing: str, tls: Tls | None) -> TlsConfig:
    """Return how the connection to `thing` is encrypted; what has no effect in the mode is left out."""
    paths = {member: file.path for member, file in _tls_files(thing, tls).items()}
    return TlsConfig(mode=_mode(tls), **paths)


def tls_files(thing: str, tls: Tls | None) -> Iterator[SecretFile]:
    yield from _tls_files(thing, tls).values()


def _tls_files(thing: str, tls: Tls | None) -> Mapping[str, SecretFile]:
    """Return the files that have an effect, by the members of the config that name them."""
    files: dict[str, SecretFile] = {}
    if tls is None or _mode(tls) == "Disabled":
        return files
    if tls.ca_secret and _mode(tls) != "Required":
        files["ca_file"] = SecretFile(tls.ca_secret.name, tls.ca_secret.key, f"ca-of-{thing}")
    if certificate := tls.client_cert_secret:
        files["client_cert_file"] = SecretFile(
            certificate.name, certificate.key or _CERTIFICATE, f"certificate-of-{thing}"
        )
        if certificate.key is None:
            files["client_key_file"] = SecretFile(certificate.name, _KEY, f"key-of-{thing}")
    return files


def _mode(tls: Tls | None) -> TlsMode:
    return tls.mode if tls and tls.mode else "VerifyFull"
