"""What every request goes through: an id, protective headers, a count, a line in the log. Pure ASGI."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smarter_runtime.answers import CLIENT_GONE, HEADERS, REASON
from smarter_runtime.direct import STARTED
from smarter_runtime.logs import request_id
from smarter_runtime.metrics import Metrics
from smarter_runtime.tracing import Attributes, Span
from smarter_runtime.tracing.traces import Traces

logger = logging.getLogger("smarter_runtime.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_COUNTED = ("/v1/", "/app/v1/")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OK, _SERVER_ERROR_FROM = 200, 500
_NO_ERRORS = frozenset({"", CLIENT_GONE, "repeated"})
_LIMITS = {
    "prompt_too_long": "maxPromptCharacters",
    "answer_timeout": "maxAnswerSeconds",
    "overloaded": "maxStreams",
}
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class RequestMiddleware:
    """Wraps the whole application, its error pages included."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        id_ = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        # Not reset: each request has a task of its own, and what the server itself logs of it comes after us.
        request_id.set(id_)
        status = 500
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                scope[STARTED] = True
                sent = MutableHeaders(scope=message)
                sent["X-Request-ID"] = id_
                for name, value in _ALWAYS.items():
                    sent.setdefault(name, value)
                for name, value in scope.get(HEADERS, {}).items():
                    sent[name] = value
            await send(message)

        if not scope["path"].startswith(_COUNTED):
            await self._app(scope, receive, send_with_headers)
            return
        span = self._traces.tracer.enter("Server", "request", headers)
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._metrics.in_flight.dec()
            self._note(scope, status, time.perf_counter() - started)
            _tell(span, scope, status, id_)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        reason = scope.get(REASON, "ok")
        if reason in _LIMITS:
            self._metrics.limit_hits.labels(_LIMITS[reason], "Enforce").inc()
        self._metrics.requests.labels(str(status), reason).inc()
        self._metrics.request_seconds.observe(seconds)
        extra = {
            "method": scope["method"],
            "route": _route(scope),
            "status": status,
            "reason": reason,
            "seconds": round(seconds, 4),
        }
        logger.info("request", extra=extra)


def _tell(span: Span, scope: Scope, status: int, id_: str) -> None:
    """Say what became of a request; the path may name a conversation, and is not told."""
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    reason = scope.get(REASON, "")

    def attributes() -> Attributes:
        return {
            "http.request.method": method,
            "http.route": _route(scope),
            "http.response.status_code": status,
            "smarter.request.id": id_,
            "smarter.reason": reason or "ok",
        }

    # A refusal is the client's affair; a stream that broke off is ours, whatever its status was.
    is_ours = status >= _SERVER_ERROR_FROM or (status == _OK and reason not in _NO_ERRORS)
    span.end(attributes, name=f"{method} {_route(scope)}", error=(reason or str(status)) if is_ours else "")


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unknown")
