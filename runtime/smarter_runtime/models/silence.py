"""Ends a stream that has gone silent: one timer that looks when it is due costs less than one for every piece."""

import asyncio

import aiohttp


class Silence:
    """A context in which a body is read; the reader says when it waits, for its own pauses are not the server's."""

    def __init__(self, response: aiohttp.ClientResponse, seconds: float) -> None:
        self._response = response
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False
        self._since = 0.0

    def __enter__(self) -> "Silence":
        connection = self._response.connection
        if connection is not None and connection.protocol is not None:
            # The client's own watch, which it sets anew for every piece.
            connection.protocol.read_timeout = None
        self.wait()
        self._timer = self._loop.call_later(self._seconds, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def wait(self, *, anew: bool = True) -> None:
        """Count from now on, or on from where it was counted to when what came was no sign of life."""
        self._is_waiting = True
        if anew:
            self._since = self._loop.time()

    def pause(self) -> None:
        """Count no further: something has come, and is being looked at."""
        self._is_waiting = False

    def _look(self) -> None:
        left = self._since + self._seconds - self._loop.time() if self._is_waiting else self._seconds
        if left <= 0:
            # To the reader it looks as if the client had seen it.
            self._response.content.set_exception(aiohttp.SocketTimeoutError("silence"))
            return
        self._timer = self._loop.call_later(left, self._look)
