"""Writes one answer as server-sent events."""

import asyncio
from collections.abc import Sequence

from starlette.types import Send

from smarter_runtime.answer_format import AnswerFormat
from smarter_runtime.confirmations import Offer
from smarter_runtime.errors import ApiError
from smarter_runtime.events import FinishReason, ToolCall, Usage

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies of the nginx family would else collect the stream before they pass it on.
    (b"x-accel-buffering", b"no"),
]


class SseWriter:
    """The response starts with the first thing to say: a failure before it can still have its own status code."""

    def __init__(self, send: Send, form: AnswerFormat) -> None:
        self._send = send
        self._form = form
        self._now = asyncio.get_running_loop().time
        self._last_write = self._now()
        self.is_started = False

    async def text(self, delta: str) -> None:
        await self._write(self._opening() + self._form.text(delta))

    async def calls(self, calls: Sequence[ToolCall]) -> None:
        await self._write(self._opening() + self._form.calls(calls))

    async def confirmations(self, offers: Sequence[Offer]) -> None:
        await self._write(self._opening() + self._form.confirmations(offers))

    async def finish(self, reason: FinishReason, usage: Usage) -> None:
        await self._write(self._opening() + self._form.ending(reason, usage), is_last=True)

    async def fail(self, error: ApiError) -> None:
        await self._write(self._form.failure(error.body()), is_last=True)

    async def beat(self, seconds: float) -> None:
        """Send an empty piece whenever nothing was sent for `seconds`."""
        while True:
            await asyncio.sleep(max(0.001, self._last_write + seconds - self._now()))
            if self._now() - self._last_write >= seconds:
                await self._write(self._opening() + self._form.heartbeat())

    def _opening(self) -> bytes:
        return b"" if self.is_started else self._form.opening()

    async def _write(self, body: bytes, *, is_last: bool = False) -> None:
        self._last_write = self._now()
        if not self.is_started:
            self.is_started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})
