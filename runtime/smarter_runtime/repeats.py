"""Answers to requests with an `Idempotency-Key`: made once, however often and at whatever time they are asked for."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import Message, Receive, Scope, Send

from smarter_runtime.answers import CLIENT_GONE, HEADERS, REASON, AnswerResponse
from smarter_runtime.clients import is_done_for_client
from smarter_runtime.conversations.talk import HEADER as CONVERSATION
from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.recordings import Recording
from smarter_runtime.services import Services

logger = logging.getLogger(__name__)
REPEATED = "repeated"
_HEADER = "idempotency-key"
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


@dataclass(frozen=True)
class Once:
    """What makes requests the same."""

    key: str
    digest: bytes


def once(request: Request, body: bytes, owner: str) -> Once | None:
    """Return under what an answer to `owner` is remembered; None: the client does not ask for it.

    Raises:
        ApiError: when the key is none.
    """
    key = request.headers.get(_HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        text = "`Idempotency-Key` must be 1 to 255 visible characters, such as a UUID."
        raise invalid(text, "Idempotency-Key", "invalid_idempotency_key")
    # The same words in another conversation are another question.
    what = f"{request.url.path}\n{request.headers.get(CONVERSATION, '')}\n".encode()
    return Once(f"{owner}\n{key}", hashlib.sha256(what + body).digest())


class RepeatableResponse(Response):
    """Sends the answer that is, or will be, under the key; the first to ask has it made.

    The answer is finished although the client goes away: it is the retry that will want it, and what tools have written
    shall not be written again.
    """

    def __init__(
        self, services: Services, request: Request, which: Once, new: Callable[[], Awaitable[AnswerResponse]]
    ) -> None:
        super().__init__()
        self._request = request
        self._services = services
        self._which = which
        self._new = new

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recordings, which = self._services.recordings, self._which
        found = recordings.find(which.key, which.digest)
        recording = found or recordings.open(which.key, which.digest)
        has_heard = asyncio.Event()
        if not found:
            self._services.background.start(self._make(recording, dict(scope), has_heard))
        try:
            with recording.reader() as reader:
                listening = _play(recording, reader, scope, send, is_repeated=found is not None)
                if not await is_done_for_client(listening, receive):
                    scope[REASON] = CLIENT_GONE
        finally:
            has_heard.set()

    async def _make(self, recording: Recording, scope: Scope, has_heard: asyncio.Event) -> None:
        recordings = self._services.recordings

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = self._request.scope.get(HEADERS, {})
                named = [(name.lower().encode(), value.encode()) for name, value in given.items()]
                recording.begin([*message["headers"], *named])
            elif message["body"]:
                await recordings.add(recording, message["body"])

        async def heard() -> None:
            recordings.end(recording, reason=scope.get(REASON, ""))
            # Who takes the answer slowly holds its place to the end.
            await has_heard.wait()

        try:
            answer = await self._new()
            await answer.make(scope, record, heard)
        except ApiError as failure:
            # Those who wait for the answer are told, as if each had asked alone.
            recordings.end(recording, error=failure)
        except Exception as failure:
            logger.exception("an answer failed")
            recordings.end(recording, error=failure)
        await recordings.close(self._which.key, recording)


async def _play(recording: Recording, reader: object, scope: Scope, send: Send, *, is_repeated: bool) -> None:
    headers = await recording.begun()
    if is_repeated:
        headers = [*headers, (b"idempotent-replayed", b"true")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for piece in recording.pieces(reader):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if recording.error:
        raise recording.error
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    if recording.reason or is_repeated:
        scope[REASON] = recording.reason or REPEATED
