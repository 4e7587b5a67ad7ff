"""Request bodies, bounded in size and in time."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request

from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.settings import Settings


@dataclass(frozen=True)
class Body:
    """A request's body."""

    raw: bytes
    value: Any


async def json_body(request: Request, settings: Settings) -> Body:
    """Return the body, which is JSON.

    Raises:
        ApiError: 413, 408, 415 or 400.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "unsupported_media_type", "Send the header `Content-Type: application/json`.")
    try:
        async with asyncio.timeout(settings.body_seconds):
            body = await _bounded_body(request, settings.max_body_bytes)
    except TimeoutError as error:
        raise ApiError(408, "request_timeout", "The request's body did not arrive in time.") from error
    try:
        return Body(body, orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise invalid("The body is no valid JSON.", code="invalid_json") from error


async def _bounded_body(request: Request, at_most: int) -> bytes:
    too_large = ApiError(413, "request_too_large", f"A request may have {at_most} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > at_most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > at_most:
            raise too_large
    return bytes(body)
