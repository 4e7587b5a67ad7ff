"""What the errors of the providers' own libraries mean. They have no common ancestor, but the same few members."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from smarter_runtime.events import FailureKind, ModelFailed
from smarter_runtime.models import Parameters
from smarter_runtime.models.failures import error_object, failed, status_failure
from smarter_runtime.models.values import mapping
from smarter_runtime.network import AddressRefused

_MAX_CAUSES = 6
_BAD_REQUEST = 400
# Without these an answer is still an answer.
_OPTIONAL = ("temperature", "top_p", "reasoning_effort")
_TOO_LONG = re.compile(r"too long|too many (input )?tokens|exceeds? the (maximum|context)|input token count", re.I)
_BAD_KEY = re.compile(r"API[ _]KEY[ _](NOT[ _]VALID|INVALID)", re.I)
_BY_NAME: tuple[tuple[str, FailureKind], ...] = (
    ("Timeout", "timeout"),
    ("ConnectError", "unavailable"),
    ("ConnectionError", "unavailable"),
    ("EndpointConnectionError", "unavailable"),
    ("ClientConnector", "unavailable"),
    ("RemoteProtocolError", "cut"),
    ("ReadError", "cut"),
    ("ClientPayloadError", "cut"),
    ("IncompleteRead", "cut"),
    ("EventStreamError", "unavailable"),
    ("JSONDecodeError", "garbage"),
    ("UnknownApiResponseError", "garbage"),
    ("ValidationError", "garbage"),
)
_BY_TYPE: Mapping[str, FailureKind] = {
    "overloaded_error": "unavailable",
    "api_error": "unavailable",
    "timeout_error": "timeout",
    "rate_limit_error": "rate_limited",
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "quota",
    "request_too_large": "context_length",
    "ThrottlingException": "rate_limited",
    "ServiceQuotaExceededException": "rate_limited",
    "ModelStreamErrorException": "unavailable",
    "ModelTimeoutException": "timeout",
    "ModelNotReadyException": "unavailable",
    "ExpiredTokenException": "auth",
    "UnrecognizedClientException": "auth",
}


def meaning(error: BaseException) -> ModelFailed:
    """Return the failure that an error raised by LangChain or by a provider's library stands for."""
    for each in _chain(error):
        if isinstance(each, AddressRefused):
            return failed("address_refused", each.address)
        status = _status(each)
        kind = _BY_TYPE.get(_type(each))
        if kind is not None and (status is None or kind != "unavailable" or status < _BAD_REQUEST):
            return failed(kind, f"{_type(each)}", _retry_after(each, kind))
        if status is not None and status >= _BAD_REQUEST:
            return _by_status(each, status)
    for each in _chain(error):
        for part, kind in _BY_NAME:
            if part in type(each).__name__:
                return failed(kind, type(each).__name__)
    return failed("unavailable", type(error).__name__)


def refused_parameter(error: BaseException | None, parameters: Parameters) -> str:
    """Return the parameter that is set, not needed, and named by an error about the request; else nothing."""
    for each in _chain(error):
        # The library knows of some models what they refuse, and says so before it asks them.
        if _status(each) == _BAD_REQUEST or isinstance(each, ValueError):
            said = _text(each)
            return next(
                (n for n in _OPTIONAL if getattr(parameters, n) is not None and re.search(rf"\b{n}\b", said)), ""
            )
    return ""


def _by_status(error: BaseException, status: int) -> ModelFailed:
    said = _text(error)
    if status == _BAD_REQUEST and _TOO_LONG.search(said):
        return failed("context_length", f"HTTP {status}")
    if status == _BAD_REQUEST and _BAD_KEY.search(said):
        return failed("auth", f"HTTP {status}")
    return status_failure(status, _body(error), _response_headers(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_MAX_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    for value in (getattr(error, "status_code", None), getattr(error, "code", None), _aws(error).get("status")):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _type(error: BaseException) -> str:
    return str(error_object(_body(error)).get("type") or _aws(error).get("code") or "")


def _body(error: BaseException) -> Any:
    return getattr(error, "body", None) or getattr(error, "details", None)


def _aws(error: BaseException) -> Mapping[str, Any]:
    response = mapping(getattr(error, "response", None))
    if not response:
        return {}
    status = mapping(response.get("ResponseMetadata")).get("HTTPStatusCode")
    return {"status": status, "code": mapping(response.get("Error")).get("Code")}


def _response_headers(error: BaseException) -> Mapping[str, str]:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return headers if headers is not None else {}


def _retry_after(error: BaseException, kind: FailureKind) -> float | None:
    if kind not in ("rate_limited", "unavailable"):
        return None
    return status_failure(429, None, _response_headers(error)).retry_after


def _text(error: BaseException) -> str:
    return f"{error} {_body(error)}"
