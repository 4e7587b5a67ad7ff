"""Writes one answer as server-sent events."""

import asyncio

from starlette.types import Send

from smarter_runtime.errors import ApiError
from smarter_runtime.events import FinishReason, Usage
from smarter_runtime.wire import DONE, Completion, error_event

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies of the nginx family would else collect the stream before they pass it on.
    (b"x-accel-buffering", b"no"),
]


class SseWriter:
    """The response starts with the first thing to say: a failure before it can still have its own status code."""

    def __init__(self, send: Send, completion: Completion) -> None:
        self._send = send
        self._completion = completion
        self._last_write = asyncio.get_running_loop().time()
        self.is_started = False

    async def text(self, delta: str) -> None:
        await self._write(self._completion.chunk({"content": delta}))

    async def finish(self, reason: FinishReason, usage: Usage | None) -> None:
        last = self._completion.chunk({}, reason)
        await self._write(last + (self._completion.usage_chunk(usage) if usage else b"") + DONE, is_last=True)

    async def fail(self, error: ApiError) -> None:
        """End without `[DONE]`, so that nobody takes the answer for whole."""
        await self._write(error_event(error.body()), is_last=True)

    async def beat(self, seconds: float) -> None:
        """Send an empty piece whenever nothing was sent for `seconds`; comment lines would break some SDKs."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(max(0.001, self._last_write + seconds - loop.time()))
            if loop.time() - self._last_write >= seconds:
                await self._write(self._completion.chunk({}))

    async def _write(self, body: bytes, *, is_last: bool = False) -> None:
        self._last_write = asyncio.get_running_loop().time()
        if not self.is_started:
            self.is_started = True
            body = self._completion.chunk({"role": "assistant", "content": ""}) + body
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})
