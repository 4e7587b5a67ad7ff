"""A provider for benchmarks, as a process of its own: checks the key, speaks TLS, and answers by the model's name.

`burst` sends all chunks at once, `paced` one every 20 ms, `slow` one every 2 s, and `calls` asks for the first tool on
offer before it answers. Without `stream` the whole text comes as one document.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from aiohttp import web

KEY = "bench-provider-key"
CHUNKS = 100
PACE_SECONDS = {"paced": 0.02, "slow": 2.0}
WORD = "word "
USAGE = {"prompt_tokens": 40, "completion_tokens": CHUNKS, "total_tokens": 40 + CHUNKS}
_HEAD = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_780_000_000}


def chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({**_HEAD, "model": model, "choices": [choice]}).encode() + b"\n\n"


async def completions(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return web.json_response({"error": {"message": "wrong key", "code": "invalid_api_key"}}, status=401)
    body = await request.json()
    model = body["model"]
    must_call = model == "calls" and body["messages"][-1]["role"] != "tool"
    if not body.get("stream"):
        return web.json_response(_document(model))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if must_call:
        await response.write(_call(model, body["tools"][0]["function"]))
        return response
    async for piece in _pieces(model):
        await response.write(piece)
    return response


async def _pieces(model: str) -> AsyncIterator[bytes]:
    pace = PACE_SECONDS.get(model)
    word = chunk(model, {"content": WORD})
    first, last = chunk(model, {"role": "assistant", "content": ""}), chunk(model, {}, "stop")
    usage = b"data: " + json.dumps({**_HEAD, "model": model, "choices": [], "usage": USAGE}).encode() + b"\n\n"
    if pace is None:
        yield first + word * CHUNKS + last + usage + b"data: [DONE]\n\n"
        return
    yield first
    for _ in range(CHUNKS):
        await asyncio.sleep(pace)
        yield word
    yield last + usage + b"data: [DONE]\n\n"


def _document(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": WORD * CHUNKS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**_HEAD, "object": "chat.completion", "model": model, "choices": [choice], "usage": USAGE}


def _call(model: str, function: dict[str, Any]) -> bytes:
    properties = function["parameters"].get("properties", {})
    arguments = {name: schema.get("enum", [1])[0] for name, schema in properties.items()}
    call = {"index": 0, "id": "call_bench", "type": "function"}
    call["function"] = {"name": function["name"], "arguments": json.dumps(arguments)}
    return chunk(model, {"tool_calls": [call]}) + chunk(model, {}, "tool_calls") + b"data: [DONE]\n\n"


async def orders(request: web.Request) -> web.Response:
    """Stand in for an HTTP API that a plugin asks; without a token it only says that the server is up."""
    if request.headers.get("Authorization") != f"Bearer {KEY}":
        return web.json_response({"items": []})
    return web.json_response({"items": [{"id": request.match_info["id"], "state": "shipped"}]})


def main() -> None:
    port, certificate, key = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_get("/orders/{id}", orders)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(port),
        ssl_context=context,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
