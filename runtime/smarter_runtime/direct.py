"""The short way to the endpoints that make answers: FastAPI's own way to them takes a tenth of what an answer takes."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from fastapi import FastAPI, Request, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

STARTED = "smarter.started"
"""Set in a request's scope as soon as its response has begun."""

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


class Direct:
    """Calls endpoints that need nothing of FastAPI; all other requests, wrong methods included, go through it."""

    def __init__(self, app: FastAPI, paths: Collection[str], handlers: Mapping[type[Exception], ErrorHandler]) -> None:
        """Take the app, which has routes at `paths` whose endpoints take the request alone, and what its errors give.

        Handlers are tried in their order; the last one takes what is a fault of the program, which is also raised.
        """
        self._app: ASGIApp = app
        self._handlers = handlers
        self._routes = {
            (route.path, method): route
            for route in app.routes
            if isinstance(route, Route) and route.path in paths
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["path"], scope["method"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
            await response(scope, receive, send)
        except Exception as error:
            for type_, handler in self._handlers.items():
                if isinstance(error, type_) and not scope.get(STARTED):
                    response = await handler(request, error)
                    await response(scope, receive, send)
                    if type_ is not Exception:
                        return
                    break
            raise
