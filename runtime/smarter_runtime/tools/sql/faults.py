"""Why a database cannot be asked: one sentence for those who run it, and another for the model."""

import socket
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.network import AddressRefused
from smarter_runtime.secret_files import SecretMissing

if TYPE_CHECKING:
    from smarter_runtime.tools.sql.engine import Engine

MAX_SAID_CHARACTERS = 300
UNAVAILABLE = "The database of this tool cannot be reached at the moment."


class DatabaseFault(Exception):
    """The database cannot be asked; the text is for the people who run it and holds nothing secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class QueryFailed(Exception):
    """This query gave no answer; the text is for the model."""


def connect_fault(error: Exception, place: str) -> DatabaseFault:
    """Return what an error means that came up on the way to `place`, for example `the SSH server bastion:22`."""
    if isinstance(error, SecretMissing):
        return DatabaseFault("SecretMissing", str(error))
    if isinstance(error, AddressRefused):
        text = f"{place} has the address {error.address}, which is not public; name its network in `spec.allowedCIDRs`."
        return DatabaseFault("AddressRefused", _sentence(text))
    if isinstance(error, socket.gaierror):
        return DatabaseFault("Unreachable", _sentence(f"{place} cannot be found in DNS; correct the name."))
    if isinstance(error, ssl.SSLError):
        return DatabaseFault(*_of_tls(error, place))
    if isinstance(error, TimeoutError):
        return DatabaseFault("Unreachable", _sentence(f"{place} does not answer in time."))
    said = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return DatabaseFault("Unreachable", _sentence(f"{place} cannot be reached: {said}."))


def _of_tls(error: ssl.SSLError, place: str) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"{place} shows a certificate that is not accepted: {error.verify_message}; see `spec.tls`."
        return "CertificateRefused", _sentence(text)
    reason = (error.reason or "handshake failed").lower().replace("_", " ")
    return "EncryptionFailed", _sentence(f"{place} and TLS: {reason}; see `spec.tls`.")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def refusal(
    error: BaseException, engine: "Engine", config: SqlConnectionConfig, secrets: Iterable[str | None]
) -> DatabaseFault:
    """Return what it means that the database itself refused a connection or a look at the role."""
    place, code = _place(config), engine.code(error)
    kind = engine.kind(error)
    if kind == "login":
        return DatabaseFault("LoginRefused", f"{place} does not accept the user and password of its Secret ({code}).")
    if kind == "database":
        return DatabaseFault("DatabaseMissing", f"{place} has no database {config.database!r}; correct the name.")
    if kind == "busy":
        return DatabaseFault("TooManyConnections", f"{place} takes no more connections at the moment ({code}).")
    return DatabaseFault("Unreachable", f"{place} cannot be asked: {scrubbed(str(error), secrets)}")


def scrubbed(text: str, secrets: Iterable[str | None]) -> str:
    """Return the first line of what a server or driver says, without user and password."""
    line = text.strip().partition("\n")[0][:MAX_SAID_CHARACTERS]
    for secret in secrets:
        if secret:
            line = line.replace(secret, "…")
    return line


def _place(config: SqlConnectionConfig) -> str:
    return f"{config.host}:{config.port}" if config.host else f"The file {config.database}"
