"""What every request goes through: an id, protective headers, a count, a line in the log. Pure ASGI."""

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smarter_runtime.answers import HEADERS, REASON
from smarter_runtime.logs import request_id
from smarter_runtime.metrics import Metrics

logger = logging.getLogger("smarter_runtime.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_COUNTED = ("/v1/", "/app/v1/")
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

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        id_ = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        # Not reset: each request has a task of its own, and what the server itself logs of it comes after us.
        request_id.set(id_)
        status = 500
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = id_
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                for name, value in scope.get(HEADERS, {}).items():
                    headers[name] = value
            await send(message)

        is_counted = scope["path"].startswith(_COUNTED)
        try:
            if is_counted:
                self._metrics.in_flight.inc()
            await self._app(scope, receive, send_with_headers)
        finally:
            if is_counted:
                self._metrics.in_flight.dec()
                self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        reason = scope.get(REASON, "ok")
        if reason in _LIMITS:
            self._metrics.limit_hits.labels(_LIMITS[reason], "Enforce").inc()
        self._metrics.requests.labels(str(status), reason).inc()
        self._metrics.request_seconds.observe(seconds)
        route = getattr(scope.get("route"), "path", "unknown")
        extra = {
            "method": scope["method"],
            "route": route,
            "status": status,
            "reason": reason,
            "seconds": round(seconds, 4),
        }
        logger.info("request", extra=extra)
