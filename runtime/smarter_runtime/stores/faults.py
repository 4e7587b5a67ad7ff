"""Why a Store cannot be used, in words for whoever looks after it."""

import socket
import ssl
from collections.abc import Iterator

from smarter_runtime.network import AddressRefused
from smarter_runtime.secret_files import SecretMissing

# A connection that broke, and servers that start or end.
_GONE = (
    "ConnectionError",
    "ConnectionDoesNotExistError",
    "InterfaceError",
    "InternalClientError",
    "08",
    "57P",
    "LOADING",
    "BusyLoadingError",
)
_BY_CODE = {
    "AuthenticationError": ("StoreLoginRefused", "it refuses user or password."),
    "NoPermissionError": ("StoreLoginRefused", "the user may not do what is needed."),
    "28P01": ("StoreLoginRefused", "it refuses user or password."),
    "28000": ("StoreLoginRefused", "it does not let the user in."),
    "42501": ("StoreLoginRefused", "the user may not make or use the tables."),
    "3D000": ("StoreDatabaseMissing", "there is no such database; create it."),
    "OutOfMemoryError": ("StoreFull", "its memory is full."),
    "ReadOnlyError": ("StoreReadOnly", "it is a replica, and nothing can be written to it."),
    "25006": ("StoreReadOnly", "it is a replica, and nothing can be written to it."),
    "53100": ("StoreFull", "its disk is full."),
}


def fault(error: Exception, code: str) -> tuple[str, str]:
    """Return reason and sentence of a failure; `code` is what the server, or its client, calls it."""
    causes = list(_chain(error))
    known = next((found for cause in causes if (found := _known(cause))), None) or _BY_CODE.get(code)
    if known:
        return known
    if any(isinstance(cause, TimeoutError) for cause in causes) or "Timeout" in code:
        return "StoreUnreachable", "it does not answer in time."
    if any(isinstance(cause, OSError) for cause in causes) or code.startswith(_GONE):
        return "StoreUnreachable", "there is no connection to it."
    return "StoreFailed", f"it answers with the error {code}."


def _known(cause: BaseException) -> tuple[str, str] | None:
    """Return what is meant by an error that says everything by itself."""
    if isinstance(cause, SecretMissing):
        return "SecretMissing", str(cause)
    if isinstance(cause, AddressRefused):
        return "AddressRefused", f"{cause.address} is not public and `allowedCIDRs` does not name it."
    if isinstance(cause, socket.gaierror):
        return "StoreUnreachable", "DNS does not know its name."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "StoreNotTrusted", f"its certificate is not trusted ({cause.verify_message})."
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
