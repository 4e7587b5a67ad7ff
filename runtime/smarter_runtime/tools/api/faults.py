"""Why an API cannot be called: one sentence for those who run it, and another for the model."""

import socket
import ssl
from collections.abc import Iterable

import aiohttp

from smarter_runtime.network import AddressRefused
from smarter_runtime.secret_files import SecretMissing

UNAVAILABLE = "The API of this tool cannot be reached at the moment."
UNKNOWN_OUTCOME = (
    "The API did not answer, so it is not known whether this was carried out. Do not try it again; say that it must be "
    "checked."
)
_SCRUBBED_FROM_CHARACTERS = 6
_WORD = "…"


class ApiFault(Exception):
    """The API cannot be called; the text is for the people who run it and holds nothing secret."""

    def __init__(self, reason: str, message: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.may_have_arrived = may_have_arrived
        """Whether the request may have been carried out all the same."""

    @property
    def is_passing(self) -> bool:
        """Whether the next moment may bring another result."""
        return self.reason == "Unreachable"


class ProxyRefused(OSError):
    """A proxy does not connect to the server; the text says why."""


class TooLarge(Exception):
    """The answer is longer than anybody reads."""


def call_fault(error: Exception, place: str) -> ApiFault:
    """Return what an error means that came up on the way to `place`, for example `the proxy proxy.acme.example`."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        text = f"{place} has the address {cause.address}, which is not public; name its network in `spec.allowedCIDRs`."
        return _fault("AddressRefused", text)
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return _fault("Unreachable", f"{place} cannot be found in DNS; correct the name.")
    if isinstance(cause, ProxyRefused | aiohttp.ClientHttpProxyError):
        said = f"HTTP {cause.status}" if isinstance(cause, aiohttp.ClientHttpProxyError) else str(cause)
        return _fault("ProxyRefused", f"{place} does not connect to the API: {said}.")
    # The client refuses the old numeric spellings of addresses by itself.
    if isinstance(error, aiohttp.InvalidURL):
        return _fault("AddressRefused", f"{place} is no address that can be dialled; correct it.")
    if isinstance(error, aiohttp.ClientSSLError):
        return _tls_fault(error, place)
    return _network_fault(error, place)


def secret_fault(error: SecretMissing) -> ApiFault:
    return ApiFault("SecretMissing", str(error))


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, for some APIs say everything that they were sent."""
    for secret in secrets:
        if len(secret) >= _SCRUBBED_FROM_CHARACTERS:
            text = text.replace(secret, _WORD)
    return text


def _tls_fault(error: aiohttp.ClientSSLError, place: str) -> ApiFault:
    is_certificate = isinstance(error, aiohttp.ClientConnectorCertificateError)
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.verify_message.rstrip(".")
    else:
        why = (
            ((cause.reason if isinstance(cause, ssl.SSLError) else "") or "handshake failed").lower().replace("_", " ")
        )
    if is_certificate:
        return _fault("CertificateRefused", f"{place} shows a certificate that is not accepted: {why}.")
    return _fault("EncryptionFailed", f"{place} speaks no TLS that is understood: {why}.")


def _network_fault(error: Exception, place: str) -> ApiFault:
    if isinstance(error, aiohttp.ClientConnectorError):
        return _fault("Unreachable", f"{place} cannot be reached: {error.os_error.strerror or 'no connection'}.")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _fault("Unreachable", f"{place} takes no connection in time.")
    if isinstance(error, TimeoutError):
        return ApiFault("Unreachable", f"{_upper(place)} does not answer in time.", may_have_arrived=True)
    return ApiFault("Unreachable", f"{_upper(place)} ended the connection early.", may_have_arrived=True)


def _fault(reason: str, text: str) -> ApiFault:
    return ApiFault(reason, _upper(text))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
