"""Models behind an API of OpenAI's: the HTTP part, which is the same for every format."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import orjson

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Event, FailureKind, ModelFailed, Text
from smarter_runtime.models import ModelRequest
from smarter_runtime.models.dialer import CONNECT_SECONDS, Dialer
from smarter_runtime.models.failures import error_object, failed, status_failure, stream_failure
from smarter_runtime.models.keys import KeyFiles
from smarter_runtime.models.lessons import Lessons
from smarter_runtime.models.silence import Silence
from smarter_runtime.models.sse import SseParser
from smarter_runtime.models.stops import StopCutter
from smarter_runtime.models.wires import WIRES, Assembler
from smarter_runtime.network import AddressRefused
from smarter_runtime.tracing import outgoing

LAST_BYTES_SECONDS = 0.1
MAX_ERROR_BYTES = 64 * 1024
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
MAX_STREAM_BYTES = 64 * 1024 * 1024
_DONE = b"[DONE]"
_FAILURES: tuple[tuple[tuple[type[Exception], ...], FailureKind], ...] = (
    # The client refuses the old numeric spellings of addresses by itself.
    ((aiohttp.InvalidURL,), "address_refused"),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), "unavailable"),
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientPayloadError, ConnectionResetError), "cut"),
)


class HttpModel:
    """Asks one provider."""

    def __init__(
        self, provider: ProviderConfig, dialer: Callable[[], Awaitable[Dialer]], keys: KeyFiles, lessons: Lessons
    ) -> None:
        self._provider = provider
        self._wire = WIRES[provider.api]
        self._dialer = dialer
        self._keys = keys
        self._lessons = lessons

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        body = self._lessons.heeded(self._provider.name, self._wire.body(request, self._provider))
        headers, dialer = self._headers(), await self._dialer()
        try:
            async with dialer.session() as session, self._post(session, body, headers) as response:
                await self._check(response, body)
                cutter = StopCutter(() if self._wire.knows_stops else request.parameters.stop)
                async for each in self._events(response):
                    for event in cutter.events(each):
                        yield event
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error

    def _post(self, session: aiohttp.ClientSession, body: dict[str, Any], headers: dict[str, str]) -> Any:
        timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=CONNECT_SECONDS, sock_read=self._provider.timeout_seconds
        )
        url = f"{self._provider.base_url}{self._wire.path}"
        return session.post(url, data=orjson.dumps(body), headers=headers, timeout=timeout, allow_redirects=False)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **outgoing.get()}
        headers |= self._provider.headers
        if self._provider.api_key_file:
            key = self._keys.key(self._provider.api_key_file)
            headers |= {"api-key": key} if self._provider.type == "AzureOpenAI" else {"Authorization": f"Bearer {key}"}
        return headers

    async def _check(self, response: aiohttp.ClientResponse, body: dict[str, Any]) -> None:
        name = self._provider.name
        if response.status == 200:
            self._lessons.refusals.pop(name, None)
            return
        answer = _parsed(await response.content.read(MAX_ERROR_BYTES))
        if response.status == 400 and self._lessons.learn(name, body, error_object(answer)):
            raise failed("parameter_refused", "HTTP 400")
        failure = status_failure(response.status, answer, response.headers)
        if failure.kind in ("auth", "quota"):
            self._lessons.refusals[name] = f"{failure} ({failure.detail})"
        raise failure

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
        assembler = self._wire.assembler()
        if response.content_type == "application/json":
            chunks = [await _document(response, self._wire.member)]
            for event in _read(chunks, assembler):
                yield event
        else:
            async for event in self._streamed(response, assembler):
                yield event
        for event in assembler.end():
            yield event
        await _read_to_end(response)

    async def _streamed(self, response: aiohttp.ClientResponse, assembler: Assembler) -> AsyncGenerator[Event, None]:
        parser, is_done, size = SseParser(), False, 0
        with Silence(response, self._provider.timeout_seconds) as silence:
            async for piece in response.content.iter_any():
                silence.pause()
                size += len(piece)
                datas = _fed(parser, piece) if size <= MAX_STREAM_BYTES else _too_long()
                is_done = is_done or _DONE in datas
                for event in _read(_chunks(datas), assembler):
                    yield event
                if is_done or assembler.is_over:
                    return
                # Keep-alive comments are no sign of an answer.
                silence.wait(anew=bool(datas))
        rest = parser.end()
        for event in _read(_chunks(rest, fault="cut"), assembler):
            yield event
        # Without either sign, the connection was closed in the middle of the answer, or it never was one.
        if _DONE not in rest and not assembler.is_whole:
            kind: FailureKind = "cut" if response.content_type == "text/event-stream" else "garbage"
            raise failed(kind, f"{response.content_type} without an end")


def _too_long() -> list[bytes]:
    raise failed("garbage", "the answer does not end")


def _read(chunks: list[Any], assembler: Assembler) -> Iterator[Event]:
    """Return what the chunks say; text that arrived at once goes on as one piece, which costs a fraction."""
    if len(chunks) != 1:
        return _joined(chunks, assembler)
    _check(chunks[0])
    return assembler.events(chunks[0])


def _joined(chunks: list[Any], assembler: Assembler) -> Iterator[Event]:
    said: list[str] = []
    try:
        for event in _each(chunks, assembler):
            if isinstance(event, Text):
                said.append(event.delta)
                continue
            if said:
                yield Text("".join(said))
                said = []
            yield event
    except ModelFailed:
        if said:
            yield Text("".join(said))
        raise
    if said:
        yield Text("".join(said))


def _each(chunks: list[Any], assembler: Assembler) -> Iterator[Event]:
    for chunk in chunks:
        _check(chunk)
        yield from assembler.events(chunk)


def _check(chunk: Any) -> None:
    if not isinstance(chunk, dict):
        raise failed("garbage", "a chunk is no object")
    if chunk.get("error"):
        raise stream_failure(chunk)


def _chunks(datas: list[bytes], fault: FailureKind = "garbage") -> list[Any]:
    try:
        return [orjson.loads(data) for data in datas if data and data != _DONE]
    except orjson.JSONDecodeError as error:
        raise failed(fault, "a chunk is no JSON") from error


def _fed(parser: SseParser, piece: bytes) -> list[bytes]:
    try:
        return parser.feed(piece)
    except ValueError as error:
        raise failed("garbage", str(error)) from error


async def _read_to_end(response: aiohttp.ClientResponse) -> None:
    """Take the last bytes of a stream whose events are all here, so that the connection can be used again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_BYTES_SECONDS):
            while not response.content.at_eof():
                await response.content.readany()


async def _document(response: aiohttp.ClientResponse, member: str) -> Any:
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise failed("garbage", "the answer is too large")
    value = _parsed(bytes(raw))
    if not isinstance(value, dict) or not (value.get(member) or value.get("error")):
        raise failed("garbage", f"no {member} in the answer")
    return value


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _failure(error: Exception) -> ModelFailed:
    """Return what an error of the HTTP client means."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return failed("address_refused", cause.address)
    for types, kind in _FAILURES:
        if isinstance(error, types):
            return failed(kind, type(error).__name__)
    return failed("unavailable", type(error).__name__)
