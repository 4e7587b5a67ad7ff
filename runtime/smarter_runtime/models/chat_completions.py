"""Models behind an API in the format of OpenAI's ChatCompletions, the most widely spoken one."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import aiohttp
import orjson

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Event, FailureKind, ModelFailed
from smarter_runtime.models import ModelRequest
from smarter_runtime.models.assemble import Assembler
from smarter_runtime.models.chat_body import chat_body
from smarter_runtime.models.dialer import CONNECT_SECONDS, Dialer
from smarter_runtime.models.failures import failed, status_failure, stream_failure
from smarter_runtime.models.keys import KeyFiles
from smarter_runtime.models.sse import SseParser
from smarter_runtime.network import AddressRefused

LAST_BYTES_SECONDS = 0.1
MAX_ERROR_BYTES = 64 * 1024
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
_DONE = b"[DONE]"
_FAILURES: tuple[tuple[tuple[type[Exception], ...], FailureKind], ...] = (
    # The client refuses the old numeric spellings of addresses by itself.
    ((aiohttp.InvalidURL,), "address_refused"),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), "unavailable"),
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientPayloadError, ConnectionResetError), "cut"),
)


class ChatCompletions:
    """Asks one provider."""

    def __init__(self, provider: ProviderConfig, dialer: Dialer, keys: KeyFiles, refusals: dict[str, str]) -> None:
        self._provider = provider
        self._dialer = dialer
        self._keys = keys
        self._refusals = refusals

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        body = orjson.dumps(chat_body(request, self._provider.type, self._provider.name))
        headers = self._headers()
        try:
            async with self._dialer.session() as session, self._post(session, body, headers) as response:
                await self._check(response)
                async for event in self._events(response):
                    yield event
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error

    def _post(self, session: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> Any:
        timeout = aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=CONNECT_SECONDS, sock_read=self._provider.timeout_seconds
        )
        url = f"{self._provider.base_url}/chat/completions"
        return session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **self._provider.headers}
        if self._provider.api_key_file:
            key = self._keys.key(self._provider.api_key_file)
            headers |= {"api-key": key} if self._provider.type == "AzureOpenAI" else {"Authorization": f"Bearer {key}"}
        return headers

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200:
            self._refusals.pop(self._provider.name, None)
            return
        raw = await response.content.read(MAX_ERROR_BYTES)
        failure = status_failure(response.status, _parsed(raw), response.headers)
        if failure.kind in ("auth", "quota"):
            self._refusals[self._provider.name] = f"{failure} ({failure.detail})"
        raise failure

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
        assembler = Assembler()
        if response.content_type == "application/json":
            chunks = [await _document(response)]
            for event in _read(chunks, assembler):
                yield event
        else:
            async for event in self._streamed(response, assembler):
                yield event
        for event in assembler.end():
            yield event
        await _read_to_end(response)

    async def _streamed(self, response: aiohttp.ClientResponse, assembler: Assembler) -> AsyncGenerator[Event, None]:
        parser, is_done = SseParser(), False
        loop = asyncio.get_running_loop()
        patience = loop.time() + self._provider.timeout_seconds
        async for piece in response.content.iter_any():
            datas = _fed(parser, piece)
            # Keep-alive comments reset the socket's time-out but are no sign of an answer.
            if datas:
                patience = loop.time() + self._provider.timeout_seconds
            elif loop.time() > patience:
                raise failed("timeout", "comments only")
            is_done = is_done or _DONE in datas
            for event in _read(_chunks(datas), assembler):
                yield event
            if is_done:
                return
        rest = parser.end()
        for event in _read(_chunks(rest), assembler):
            yield event
        # Without either sign, the connection was closed in the middle of the answer.
        if _DONE not in rest and not assembler.finish_reason:
            raise failed("cut", "neither a finish reason nor [DONE]")


def _read(chunks: list[Any], assembler: Assembler) -> Iterator[Event]:
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise failed("garbage", "a chunk is no object")
        if chunk.get("error"):
            raise stream_failure(chunk)
        yield from assembler.events(chunk)


def _chunks(datas: list[bytes]) -> list[Any]:
    try:
        return [orjson.loads(data) for data in datas if data and data != _DONE]
    except orjson.JSONDecodeError as error:
        raise failed("garbage", "a chunk is no JSON") from error


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


async def _document(response: aiohttp.ClientResponse) -> Any:
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise failed("garbage", "the answer is too large")
    value = _parsed(bytes(raw))
    if not isinstance(value, dict) or not (value.get("choices") or value.get("error")):
        raise failed("garbage", "no choices in the answer")
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
