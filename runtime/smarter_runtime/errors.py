"""Errors as clients of the API see them: OpenAI's shape, honest codes, and what to do."""

from collections.abc import Mapping
from typing import Any

from smarter_runtime.events import FailureKind, ModelFailed

_SERVER_ERROR_FROM = 500


class ApiError(Exception):
    """Ends a request. `code` is one of the constants in this package: metrics are labelled with it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind or ("server_error" if status >= _SERVER_ERROR_FROM else "invalid_request_error")
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


_MODEL_FAILURES: dict[FailureKind, tuple[int, str]] = {
    "auth": (502, "provider_auth"),
    "key_missing": (503, "provider_key_missing"),
    "rate_limited": (503, "provider_rate_limited"),
    "quota": (503, "provider_quota"),
    "rejected": (502, "provider_rejected"),
    "parameter_refused": (502, "provider_rejected"),
    "content_filter": (400, "content_filter"),
    "context_length": (400, "context_length_exceeded"),
    "unavailable": (502, "provider_unavailable"),
    "timeout": (504, "provider_timeout"),
    "garbage": (502, "provider_bad_answer"),
    "cut": (502, "provider_cut_answer"),
    "address_refused": (502, "provider_address_refused"),
    "no_answer": (502, "model_gave_no_answer"),
    "budget_spent": (402, "budget_exceeded"),
    "budget_unknown": (503, "store_unavailable"),
}
# Asking again changes nothing until a person has changed something.
_HOPELESS = frozenset(
    {"auth", "key_missing", "quota", "rejected", "address_refused", "context_length", "content_filter", "budget_spent"}
)
NO_RETRY = {"x-should-retry": "false"}


def model_failure(failure: ModelFailed) -> ApiError:
    """Return the error that a client is told when the model failed."""
    status, code = _MODEL_FAILURES[failure.kind]
    headers = dict(NO_RETRY) if failure.kind in _HOPELESS else {}
    if failure.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(failure.retry_after)))
    return ApiError(status, code, str(failure), headers=headers)


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    return ApiError(400, code, message, param=param)


def unauthorized(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, kind="authentication_error", headers={"WWW-Authenticate": "Bearer"})
