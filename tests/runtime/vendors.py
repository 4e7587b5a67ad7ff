"""Servers that speak the HTTP APIs of Anthropic, Google and Bedrock: they play a script and judge every request."""

import binascii
import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from runtime.published_schema import consume
from runtime.support import Reply, ScriptedProvider
from smarter_crds.runtime_config import LangChainConfig, ProviderConfig

Body = Mapping[str, Any]
Judge = Callable[[Body], Iterator[str]]
LOOPBACK = ("127.0.0.0/8",)


def anthropic_faults(body: Body) -> Iterator[str]:
    """Say what Anthropic's published types, and the rules in its documentation, have against `body`."""
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    # Older models take them still; the types know the newest models only.
    known = _names(MessageCreateParamsStreaming) | {"temperature", "top_p"}
    yield from (f"unknown parameter {name}" for name in set(body) - known)
    yield from _validated(MessageCreateParamsStreaming, body)
    roles = [message["role"] for message in body["messages"]]
    if roles[0] != "user":
        yield "the first message must be the user's"
    open_calls: set[str] = set()
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered != open_calls:
            yield f"tool_use {open_calls} is answered by {answered}"
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if open_calls and not body.get("tools"):
        yield "tools must be defined where messages speak of their use"


def google_faults(body: Body) -> Iterator[str]:
    """Say what the published types of the Gemini API have against `body`."""
    from google.genai import types

    parts: dict[str, Any] = {
        "contents": list[types.Content],
        "tools": list[types.Tool],
        "systemInstruction": types.Content,
        "generationConfig": types.GenerationConfig,
        "toolConfig": types.ToolConfig,
        "safetySettings": list[types.SafetySetting],
    }
    yield from (f"unknown parameter {name}" for name in set(body) - set(parts))
    for name, kind in parts.items():
        if name in body:
            yield from _validated(kind, body[name])
    for content in body["contents"]:
        if content["role"] not in ("user", "model"):
            yield f"role {content['role']}"
        for number, part in enumerate(content["parts"]):
            # Models that think refuse a first call that comes back without its signature.
            if "functionCall" in part and number == 0 and not part.get("thoughtSignature"):
                yield "function call is missing a thought signature"


def bedrock_faults(body: Body) -> Iterator[str]:
    """Say what the service's own model has against `body`."""
    import botocore.session  # type: ignore[import-untyped]
    from botocore.validate import ParamValidator  # type: ignore[import-untyped]

    shape = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("ConverseStream")
    assert shape.input_shape is not None
    report = ParamValidator().validate({**body, "modelId": "m"}, shape.input_shape)
    if report.has_errors():
        yield report.generate_report()
    yield from (f"unknown parameter {name}" for name in set(body) - set(shape.input_shape.members))


class Vendor(ScriptedProvider):
    """A scripted provider with another API."""

    def __init__(self, replies: tuple[Reply, ...], judge: Judge) -> None:
        super().__init__(replies=list(replies))
        self.judge = judge
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.paths.append(request.path_qs)
        self.headers.append(dict(request.headers))
        self.faults += self.judge(body)
        return await self.replies.pop(0)(request)


@asynccontextmanager
async def vendor(judge: Judge, *replies: Reply, ssl_context: Any = None) -> AsyncIterator[Vendor]:
    provider = Vendor(replies, judge)
    app = web.Application()
    app.router.add_post("/{path:.*}", provider.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
    provider.url = f"{'https' if ssl_context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()
    assert provider.faults == [], provider.faults


def settings(provider: Vendor, kind: str, **changes: Any) -> dict[str, ProviderConfig]:
    whole = {
        "name": "main",
        "type": kind,
        "base_url": provider.url,
        "allowed_cidrs": LOOPBACK,
        "api_key_file": "key",
        "timeout_seconds": 5,
    }
    return {"main": ProviderConfig(**whole | changes)}


def bedrock(**options: Any) -> LangChainConfig:
    return LangChainConfig(provider="bedrock_converse", options={"region_name": "eu-south-2", **options})


# What the servers answer.


def sse(*events: Body, named: bool = True) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            name = f"event: {event['type']}\n" if named else ""
            await response.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        return response

    return reply


def anthropic_says(*blocks: Body, stop_reason: str | None = "end_turn", cached: int = 8) -> Reply:
    usage = {"input_tokens": 2, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude", "usage": usage}
    events: list[Body] = [
        {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None}},
        {"type": "ping"},
    ]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    if stop_reason:
        delta = {"stop_reason": stop_reason, "stop_sequence": None}
        events += [
            {"type": "message_delta", "delta": delta, "usage": usage | {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
    return sse(*events)


def _block_events(index: int, block: Body) -> Iterator[Body]:
    deltas: list[Body]
    if block["type"] == "text":
        blank: Body = {"text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in block["text"]]
    elif block["type"] == "thinking":
        blank = {"thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    else:
        blank = {"id": block["id"], "name": block["name"], "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in block["input"]]
    yield {"type": "content_block_start", "index": index, "content_block": {"type": block["type"], **blank}}
    yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop", "index": index}


def anthropic_refuses(status: int, kind: str, message: str = "secret-of-the-provider", **headers: str) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
        return web.json_response(body, status=status, headers=headers)

    return reply


def google_says(*parts: Body, finish_reason: str | None = "STOP") -> Reply:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "cachedContentTokenCount": 8}
    chunks: list[Body] = [
        {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]} for part in parts
    ]
    if finish_reason:
        end = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": finish_reason, "index": 0}
        chunks.append({"candidates": [end], "usageMetadata": usage, "modelVersion": "gemini"})
    return sse(*chunks, named=False)


def google_refuses(status: int, state: str, message: str) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": status, "status": state, "message": message}}, status=status)

    return reply


def bedrock_says(*events: tuple[str, Body]) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.amazon.eventstream"})
        await response.prepare(request)
        for name, payload in events:
            await response.write(_frame(name, json.dumps(payload).encode()))
        return response

    return reply


def bedrock_refuses(status: int, code: str) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        body, headers = {"message": "secret-of-the-provider"}, {"x-amzn-ErrorType": code}
        return web.json_response(body, status=status, headers=headers)

    return reply


def _frame(name: str, payload: bytes) -> bytes:
    """Return one message of Amazon's event stream encoding."""
    values = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in values.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack("!I", binascii.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _names(kind: Any) -> frozenset[str]:
    return frozenset(name for each in kind.__mro__ for name in getattr(each, "__annotations__", ()))


def _validated(kind: Any, value: Any) -> Iterator[str]:
    try:
        found = _adapter(kind).validate_python(value)
    except ValidationError as error:
        yield str(error)[:500]
        return
    if not isinstance(found, BaseModel):
        consume(found)
