"""The short way to endpoints behaves as FastAPI's own way does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from smarter_runtime.direct import STARTED, Direct
from smarter_runtime.errors import ApiError, invalid

BEGIN: Message = {"type": "http.response.start", "status": 200, "headers": []}


class BreaksOff(Response):
    """A response that has a fault after its first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(BEGIN)
        raise ValueError("in the middle")


async def handled(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"handled": type(error).__name__}, 418 if isinstance(error, ApiError) else 500)


def app(endpoint: Callable[[Request], Awaitable[Response]]) -> Direct:
    made = FastAPI()
    made.state.greeting = "hello"
    made.post("/short")(endpoint)
    made.post("/long")(endpoint)
    return Direct(made, ("/short",), {ApiError: handled, Exception: handled})


async def sent(by: Direct, method: str, path: str) -> tuple[Scope, list[Message]]:
    """Return what a request with that path gets; the scope as the app has left it."""
    messages: list[Message] = []
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "root_path": ""}

    async def send(message: Message) -> None:
        scope[STARTED] = True
        messages.append(message)

    await by(scope, receive, send)
    return scope, messages


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def greeted(request: Request) -> Response:
    return Response(request.app.state.greeting)


async def refused(request: Request) -> Response:
    raise invalid("no")


async def broken(request: Request) -> Response:
    raise ValueError("a fault")


async def broken_off(request: Request) -> Response:
    return BreaksOff()


@pytest.mark.parametrize("path", ["/short", "/long"])
async def test_both_ways_lead_to_the_endpoint_and_tell_the_route(path: str) -> None:
    scope, (begin, body) = await sent(app(greeted), "POST", path)
    assert (begin["status"], body["body"]) == (200, b"hello")
    assert scope["route"].path == path


async def test_a_wrong_method_is_refused_as_everywhere() -> None:
    _, (begin, _) = await sent(app(greeted), "GET", "/short")
    assert begin["status"] == 405
    assert dict(begin["headers"])[b"allow"] == b"POST"


@pytest.mark.parametrize("path", ["/short", "/nowhere"])
async def test_an_error_becomes_its_response(path: str) -> None:
    _, (begin, body) = await sent(app(refused), "POST", path)
    expected: dict[str, Any] = {"/short": (418, b'{"handled":"ApiError"}'), "/nowhere": (404, body["body"])}
    assert (begin["status"], body["body"]) == expected[path]


async def test_a_fault_of_the_program_is_told_to_the_client_and_to_the_server() -> None:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    with pytest.raises(ValueError, match="a fault"):
        await app(broken)({"type": "http", "method": "POST", "path": "/short", "headers": []}, receive, send)
    assert [message.get("status") for message in messages] == [500, None]


async def test_a_response_that_has_begun_gets_no_second_one() -> None:
    messages: list[Message] = []
    scope: Scope = {"type": "http", "method": "POST", "path": "/short", "headers": []}

    async def send(message: Message) -> None:
        scope[STARTED] = True
        messages.append(message)

    with pytest.raises(ValueError, match="in the middle"):
        await app(broken_off)(scope, receive, send)
    assert messages == [BEGIN]
