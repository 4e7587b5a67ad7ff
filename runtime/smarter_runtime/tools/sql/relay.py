"""What every byte between a driver and its server passes through.

Drivers dial by themselves and read whatever comes. Here they dial us: the address that was checked is the one that is
used, tunnels and proxies work for all of them, and an answer that does not end is cut before it fills the memory.
"""

import asyncio
import socket
from collections.abc import Callable

from smarter_runtime.tools.sql.routes import Reader, Streams, Writer

HOST = "127.0.0.1"
PIECE_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Most bytes that one query may make the server send: many times what a model can read."""


class Link:
    """One connection. The driver dials `port`, where nobody listens any more as soon as somebody has dialled."""

    def __init__(self, to_server: Streams, dial_seconds: float) -> None:
        self._left = MAX_ANSWER_BYTES
        self.has_exceeded = False
        """Whether it was cut because the server sent too much."""
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen(1)
        listener.setblocking(False)
        self.port: int = listener.getsockname()[1]
        self._relaying = asyncio.create_task(self._relay(listener, to_server, dial_seconds))

    @property
    def is_over(self) -> bool:
        """Whether neither end hears anything from the other any more."""
        return self._relaying.done()

    def new_query(self) -> None:
        """Begin to count anew."""
        self._left = MAX_ANSWER_BYTES

    async def close(self) -> None:
        self._relaying.cancel()
        await asyncio.wait([self._relaying])

    async def _relay(self, listener: socket.socket, to_server: Streams, dial_seconds: float) -> None:
        try:
            from_driver, to_driver = await _dialled(listener, dial_seconds)
            try:
                await self._pass_on((from_driver, to_driver), to_server)
            finally:
                to_driver.close()
        except OSError:
            # The driver has given up before it dialled.
            return
        finally:
            to_server[1].close()

    async def _pass_on(self, driver: Streams, server: Streams) -> None:
        """Pass on what either end says, until one of them ends."""
        both = [
            asyncio.create_task(_pump(driver[0], server[1], lambda size: True)),
            asyncio.create_task(_pump(server[0], driver[1], self._may_pass)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    def _may_pass(self, size: int) -> bool:
        self._left -= size
        self.has_exceeded = self.has_exceeded or self._left < 0
        return not self.has_exceeded


async def _dialled(listener: socket.socket, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with listener:
        async with asyncio.timeout(seconds):
            driver, _ = await asyncio.get_running_loop().sock_accept(listener)
    driver.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return await asyncio.open_connection(sock=driver)


async def _pump(reader: Reader, writer: Writer, may_pass: Callable[[int], bool]) -> None:
    while (piece := await reader.read(PIECE_BYTES)) and may_pass(len(piece)):
        writer.write(piece)
        await writer.drain()
