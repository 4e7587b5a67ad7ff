"""What a provider's error means: which of our failures it is, and what may be told about it."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
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
    "parameter_refused": "The model provider does not accept this chatbot's request.",
    "content_filter": "The model provider's content filter refuses this message. Please say it differently.",
    "address_refused": "The model provider's address may not be dialled from here.",
}
_BY_STATUS: dict[int, FailureKind] = {401: "auth", 403: "auth", 408: "timeout", 429: "rate_limited", 504: "timeout"}
_BY_CODE: dict[str, FailureKind] = {
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "context_length_exceeded": "context_length",
    "rate_limit_exceeded": "rate_limited",
    "content_filter": "content_filter",
    "invalid_prompt": "content_filter",
    "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter",
}
_CODE = re.compile(r"[A-Za-z0-9_.:/\[\]-]{1,80}")
_SERVER_ERRORS = 500
_LONGEST_PAUSE = 3600.0


def failed(kind: FailureKind, detail: str = "", retry_after: float | None = None) -> ModelFailed:
    return ModelFailed(kind, _TEXTS[kind], detail=detail, retry_after=retry_after)


def status_failure(status: int, body: Any, headers: Mapping[str, str]) -> ModelFailed:
    """Return the failure that a response other than 200 stands for."""
    error = error_object(body)
    kind = _kind_by_code(error) or _BY_STATUS.get(status)
    kind = kind or ("unavailable" if status >= _SERVER_ERRORS else "rejected")
    retry_after = pause(headers) if kind in ("rate_limited", "unavailable") else None
    return failed(kind, f"HTTP {status} {_codes(error)}".strip(), retry_after)


def stream_failure(body: Any) -> ModelFailed:
    """Return the failure that an error object inside a stream stands for."""
    error = error_object(body)
    status = error.get("code") if isinstance(error.get("code"), int) else error.get("status_code")
    kind = _kind_by_code(error) or _BY_STATUS.get(status if isinstance(status, int) else 0) or "unavailable"
    return failed(kind, f"in the stream: {_codes(error)}")


def _kind_by_code(error: Mapping[str, Any]) -> FailureKind | None:
    codes = (str(error.get("code")), str(error.get("type")))
    return next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)


def error_object(body: Any) -> Mapping[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return error
    return body if isinstance(body, dict) else {}


def _codes(error: Mapping[str, Any]) -> str:
    """Return the error's codes for the log. Its message stays out: providers quote keys and prompts in it."""
    values = [error.get(name) for name in ("type", "code", "param")]
    return " ".join(str(value) for value in values if value is not None and _CODE.fullmatch(str(value)))


def pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks to be left alone, whichever way it says so."""
    exact, usual = _seconds(headers.get("retry-after-ms", "")), headers.get("Retry-After", "")
    seconds = exact / 1000 if exact is not None else _seconds(usual)
    if seconds is None:
        seconds = _until(usual, headers.get("Date", ""))
    return None if seconds is None else max(0.0, min(seconds, _LONGEST_PAUSE))


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(then: str, now: str) -> float | None:
    # Both by the provider's clock.
    try:
        return (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError):
        return None
