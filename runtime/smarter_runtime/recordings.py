"""Answers that are remembered under the keys of their requests, so that a request sent twice is answered once."""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from smarter_runtime.errors import NO_RETRY, ApiError

KEPT = timedelta(minutes=10)
MAX_FINISHED = 10_000
MAX_BYTES = 16 * 1024 * 1024
"""Of all recordings together; the oldest that are finished go first."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Of one answer while it is being made; a longer one reaches those who wait for it, and cannot be repeated."""
_COMPRESSION = 1
Headers = list[tuple[bytes, bytes]]


class Recording:
    """One answer, heard from its beginning by everybody who asked for it."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        """Of the request: under the same key, another one gets no answer."""
        self.headers: Headers | None = None
        self.error: Exception | None = None
        """Why there is no answer, or no whole one."""
        self.reason = ""
        """How the answer is counted; empty: it went well."""
        self.is_over = False
        self.is_kept = True
        """Whether it can be heard from its beginning by whoever comes later."""
        self.until: datetime | None = None
        """When it is forgotten, once it is over."""
        self.size = 0
        self._pieces: list[bytes] = []
        self._dropped = 0
        self._packed: bytes | None = None
        self._positions: dict[object, int] = {}
        self._news = asyncio.Event()

    def begin(self, headers: Headers) -> None:
        self.headers = headers
        self._tell()

    async def add(self, piece: bytes) -> None:
        """Take a piece; where the recording is not kept, wait until everybody has it."""
        self._pieces.append(piece)
        self._tell()
        while not self.is_kept and any(position < self._end for position in self._positions.values()):
            await self._news.wait()
        self._tidy()

    def end(self, error: Exception | None) -> None:
        self.is_over, self.error = True, error
        self._tell()

    async def pack(self) -> None:
        """Make a finished recording small: the chunks of a stream say almost the same again and again."""
        self._packed = await asyncio.to_thread(zlib.compress, b"".join(self._pieces), _COMPRESSION)
        self.size = len(self._packed)
        self._tidy()

    @contextmanager
    def reader(self) -> Iterator[object]:
        """Yield what `pieces` wants; as long as somebody listens, nothing is dropped that he has not heard."""
        reader = object()
        self._positions[reader] = 0 if self._packed is None else self._end
        try:
            yield reader
        finally:
            del self._positions[reader]
            self._tell()
            self._tidy()

    async def begun(self) -> Headers:
        """Wait until there is something to hear.

        Raises:
            Exception: what kept the answer from being made.
        """
        while self.headers is None:
            if self.error:
                raise self.error
            await self._news.wait()
        return self.headers

    async def pieces(self, reader: object) -> AsyncIterator[bytes]:
        """Yield the answer from its beginning, as it comes."""
        if self._packed is not None and self._positions[reader] == self._end:
            yield zlib.decompress(self._packed)
            return
        while not self.is_over or self._positions[reader] < self._end:
            while self._positions[reader] < self._end:
                yield self._pieces[self._positions[reader] - self._dropped]
                self._positions[reader] += 1
                self._tell()
            if not self.is_over:
                await self._news.wait()

    @property
    def _end(self) -> int:
        return self._dropped + len(self._pieces)

    def _tidy(self) -> None:
        """Drop the pieces that nobody needs any more."""
        if self._packed is None and self.is_kept:
            return
        heard = min(self._positions.values(), default=self._end)
        del self._pieces[: heard - self._dropped]
        self._dropped = heard

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Recordings:
    """All recordings of a process."""

    def __init__(
        self, clock: Callable[[], datetime], max_bytes: int = MAX_BYTES, max_answer_bytes: int = MAX_ANSWER_BYTES
    ) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_answer_bytes = max_answer_bytes
        self._going_on: dict[str, Recording] = {}
        self._finished: OrderedDict[str, Recording] = OrderedDict()
        self._bytes = 0

    def find(self, key: str, digest: bytes) -> Recording | None:
        """Return what is recorded, or being recorded, under `key`.

        Raises:
            ApiError: when it cannot be the answer to this request.
        """
        self._forget_old()
        recording = self._going_on.get(key) or self._finished.get(key)
        if recording is None:
            return None
        if recording.digest != digest:
            said = "This `Idempotency-Key` was used for another request; take a new key for each."
            raise _conflict(400, "idempotency_key_reused", said)
        if not recording.is_kept:
            said = "The answer under this `Idempotency-Key` was made already and is too long to be repeated."
            raise _conflict(409, "idempotency_answer_too_long", said)
        return recording

    def open(self, key: str, digest: bytes) -> Recording:
        self._going_on[key] = recording = Recording(digest)
        return recording

    async def add(self, recording: Recording, piece: bytes) -> None:
        """Let `recording` grow; what cannot be kept is passed on only."""
        size = recording.size + len(piece)
        if recording.is_kept and (size > self._max_answer_bytes or not self._has_room(len(piece))):
            recording.is_kept, size = False, 0
        self._resize(recording, size if recording.is_kept else 0)
        await recording.add(piece)

    def end(self, recording: Recording, *, error: Exception | None = None, reason: str = "") -> None:
        """Let those who listen know that nothing follows; with an error or a reason, it was no answer."""
        recording.reason = reason
        recording.until = self._clock() + KEPT
        recording.end(error)

    async def close(self, key: str, recording: Recording) -> None:
        """Keep `recording` for a while. An answer that failed is forgotten, so that a retry can do better."""
        del self._going_on[key]
        if recording.error or recording.reason:
            self._resize(recording, 0)
            return
        self._finished[key] = recording
        if recording.is_kept:
            before = recording.size
            await recording.pack()
            self._bytes += recording.size - before if self._finished.get(key) is recording else 0
        self._forget_old()

    def _resize(self, recording: Recording, size: int) -> None:
        self._bytes += size - recording.size
        recording.size = size

    def _has_room(self, more: int) -> bool:
        while self._finished and self._bytes + more > self._max_bytes:
            self._forget()
        return self._bytes + more <= self._max_bytes

    def _forget_old(self) -> None:
        now = self._clock()
        while self._finished:
            until = next(iter(self._finished.values())).until
            if len(self._finished) <= MAX_FINISHED and until is not None and until > now:
                return
            self._forget()

    def _forget(self) -> None:
        self._bytes -= self._finished.popitem(last=False)[1].size


def _conflict(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, code, message, kind="idempotency_error", headers=NO_RETRY)
