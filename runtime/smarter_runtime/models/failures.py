"""What a provider's error means: which of our failures it is, and what may be told about it."""

import re
from collections.abc import Mapping
from typing import Any

from smarter_runtime.events import FailureKind, ModelFailed

_TEXTS: dict[FailureKind, str] = {
    "auth": "The model provider does not accept this chatbot's key.",
    "rate_limited": "The model provider is asked too often. Please try again in a moment.",
    "quota": "This chatbot's account at the model provider has run out of credit.",
    "rejected": "The model provider does not accept this chatbot's request.",
    "context_length": "The conversation is too long for the model. Please start a new one.",
    "unavailable": "The model provider cannot be reached or is out of order. Please try again.",
    "timeout": "The model provider did not answer in time. Please try again.",
    "garbage": "The model provider's answer could not be read. Please try again.",
    "cut": "The model provider broke off in the middle of its answer. Please try again.",
    "address_refused": "The model provider's address may not be dialled from here.",
}
_BY_STATUS: dict[int, FailureKind] = {401: "auth", 403: "auth", 408: "timeout", 429: "rate_limited", 504: "timeout"}
_CODE = re.compile(r"[A-Za-z0-9_.:/\[\]-]{1,80}")
_SERVER_ERRORS = 500


def failed(kind: FailureKind, detail: str = "", retry_after: float | None = None) -> ModelFailed:
    return ModelFailed(kind, _TEXTS[kind], detail=detail, retry_after=retry_after)


def status_failure(status: int, body: Any, headers: Mapping[str, str]) -> ModelFailed:
    """Return the failure that a response other than 200 stands for."""
    error = _error(body)
    kind = _kind_by_code(error) or _BY_STATUS.get(status)
    kind = kind or ("unavailable" if status >= _SERVER_ERRORS else "rejected")
    retry_after = _seconds(headers.get("Retry-After", "")) if kind in ("rate_limited", "unavailable") else None
    return failed(kind, f"HTTP {status} {_codes(error)}".strip(), retry_after)


def stream_failure(body: Any) -> ModelFailed:
    """Return the failure that an error object inside a stream stands for."""
    error = _error(body)
    status = error.get("code") if isinstance(error.get("code"), int) else error.get("status_code")
    kind = _kind_by_code(error) or _BY_STATUS.get(status if isinstance(status, int) else 0) or "unavailable"
    return failed(kind, f"in the stream: {_codes(error)}")


def _kind_by_code(error: Mapping[str, Any]) -> FailureKind | None:
    codes = {str(error.get("code")), str(error.get("type"))}
    if "insufficient_quota" in codes or "billing_hard_limit_reached" in codes:
        return "quota"
    if "context_length_exceeded" in codes:
        return "context_length"
    return "rate_limited" if "rate_limit_exceeded" in codes else None


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error
    return body if isinstance(body, dict) else {}


def _codes(error: Mapping[str, Any]) -> str:
    """Return the error's codes for the log. Its message stays out: providers quote keys and prompts in it."""
    values = [error.get(name) for name in ("type", "code", "param")]
    return " ".join(str(value) for value in values if value is not None and _CODE.fullmatch(str(value)))


def _seconds(value: str) -> float | None:
    try:
        return max(0.0, min(float(value), 3600.0))
    except ValueError:
        return None
