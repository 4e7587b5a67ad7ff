"""TLS contexts of connections to databases: whom to trust, whose certificate to expect, which one to present."""

import ssl
from typing import Any

from smarter_crds.connection_config import TlsConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing


class ServerNameContext(ssl.SSLContext):
    """Expects the certificate of one server, by whatever way that server is reached."""

    server_name = ""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **(options | {"server_hostname": self.server_name}))

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **(options | {"server_hostname": self.server_name}))


def tls_files(config: TlsConfig) -> tuple[str, ...]:
    """Return the files below the secrets folder that the context is made from."""
    return tuple(file for file in (config.ca_file, config.client_cert_file, config.client_key_file) if file)


def tls_context(config: TlsConfig, server_name: str, files: SecretFiles) -> ServerNameContext | None:
    """Return the context for the server called `server_name`; `None`: the connection is not encrypted.

    Raises:
        SecretMissing: when a file cannot be read, or holds no certificate or key in PEM.
    """
    if config.mode == "Disabled":
        return None
    context = ServerNameContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    context.check_hostname = config.mode == "VerifyFull"
    if config.mode == "Required":
        context.verify_mode = ssl.CERT_NONE
    elif config.ca_file:
        _trust(context, config.ca_file, files)
    else:
        context.load_default_certs()
    if config.client_cert_file:
        _present(context, config, files)
    return context


def _trust(context: ssl.SSLContext, name: str, files: SecretFiles) -> None:
    try:
        context.load_verify_locations(cadata=files.text(name))
    except ssl.SSLError as error:
        raise SecretMissing(f"The file `{name}` holds no certificates in PEM.") from error


def _present(context: ssl.SSLContext, config: TlsConfig, files: SecretFiles) -> None:
    certificate, key = config.client_cert_file, config.client_key_file
    for name in filter(None, (certificate, key)):
        files.text(name)
    try:
        context.load_cert_chain(files.path(certificate), files.path(key) if key else None, password=_no_password)
    except ssl.SSLError as error:
        raise SecretMissing(
            f"The file `{certificate}` and its key are no pair of certificate and key in PEM."
        ) from error


def _no_password() -> str:
    # Without this, OpenSSL would ask at the terminal.
    return ""
