"""The two applications of a runtime: the API for visitors, and the one for the cluster."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from smarter_runtime.answers import CLIENT_GONE, REASON
from smarter_runtime.direct import Direct, ErrorHandler
from smarter_runtime.endpoints import chat, conversations, described, health, operations, visitor
from smarter_runtime.errors import ApiError
from smarter_runtime.middleware import RequestMiddleware
from smarter_runtime.origins import Origins
from smarter_runtime.services import Services


def create_api(services: Services) -> ASGIApp:
    """Build the application from ready-made parts, so that a test can hand in its own."""
    app = _application(services)
    app.post("/v1/chat/completions")(chat.chat_completions)
    app.post("/v1/responses")(chat.responses)
    app.get("/v1/models")(chat.models)
    app.post("/app/v1/challenge")(visitor.challenge)
    app.post("/app/v1/session")(visitor.session)
    app.get("/app/v1/conversations")(conversations.listed)
    app.delete("/app/v1/conversations")(conversations.all_erased)
    app.get("/app/v1/conversations/{id}")(conversations.read)
    app.delete("/app/v1/conversations/{id}")(conversations.erased)
    app.get("/app/v1/config")(visitor.settings)
    app.get("/app/v1/theme.css")(visitor.theme)
    app.get("/app/assets/{name}")(visitor.asset)
    app.get("/openapi.json")(described.openapi)
    app.get("/embed.js")(visitor.embedding)
    app.get("/.well-known/smarter")(visitor.identity)
    app.get("/")(visitor.chat_page)
    app.get("/livez")(health.livez)
    app.get("/readyz")(health.readyz)
    direct = Direct(app, ("/v1/chat/completions", "/v1/responses"), _HANDLERS)
    return RequestMiddleware(Origins(direct, services.configs), services.metrics, services.traces)


def create_status(services: Services) -> ASGIApp:
    app = _application(services)
    app.get("/status")(health.status)
    app.get("/metrics")(health.metrics)
    app.get("/usage")(operations.usage)
    app.post("/usage/acknowledge")(operations.acknowledged)
    app.delete("/conversations")(operations.erased)
    app.get("/openapi.json")(described.status_openapi)
    return app


def _application(services: Services) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry={"tracing": False})
    app.state.services = services
    for type_, handler in _HANDLERS.items():
        app.add_exception_handler(type_, handler)
    return app


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    request.scope[REASON] = error.code
    return JSONResponse(error.body(), error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    return await _api_error(request, ApiError(error.status_code, code, str(error.detail), headers=headers))


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody gets it; it is how the request is counted, by the number that proxies use for it.
    request.scope[REASON] = CLIENT_GONE
    return Response(status_code=499)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    # The server logs the traceback; the client learns nothing of it.
    text = "Something went wrong inside the chatbot. Please try again."
    return await _api_error(request, ApiError(500, "internal_error", text))


_HANDLERS: dict[type[Exception], ErrorHandler] = {
    ApiError: _api_error,
    HTTPException: _http_error,
    ClientDisconnect: _gone,
    Exception: _bug,
}
