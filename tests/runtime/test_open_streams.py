"""A process with a thousand open streams, and one whose clients do not read: what it holds stays bounded."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from aiohttp import web

from runtime.support import ScriptedProvider, config, delta, lines, says, scripted, until, write
from runtime.test_process import process

STREAMS = 1000
WORDS = ("One", " by", " one", ".")
SLOW_READERS = 10
MIB = 2**20
QUESTION = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Let this process, and those that it starts, open the sockets of both ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8 * STREAMS)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Served:
    """A runtime that is a process of its own, asked by one visitor."""

    http: aiohttp.ClientSession
    api: str
    status: str
    headers: dict[str, str]
    process: psutil.Process

    async def open(self) -> aiohttp.ClientResponse:
        body = QUESTION | {"stream": True}
        response = await self.http.post(f"{self.api}/v1/chat/completions", json=body, headers=self.headers)
        assert response.status == 200
        return response

    async def answer(self) -> str:
        url = f"{self.api}/v1/chat/completions"
        async with self.http.post(url, json=QUESTION, headers=self.headers) as response:
            text: str = (await response.json())["choices"][0]["message"]["content"]
            return text

    async def streams(self) -> int:
        """Return how many answers are being streamed, as Prometheus is told."""
        async with self.http.get(f"{self.status}/metrics") as response:
            _, _, rest = (await response.text()).partition("\nsmarter_streams_active ")
        return int(float(rest.partition("\n")[0]))

    def memory(self) -> int:
        return int(self.process.memory_info().rss)


@asynccontextmanager
async def served(directory: Path, provider: ScriptedProvider) -> AsyncIterator[Served]:
    write(directory, config(providers=provider.config()))
    async with (
        process(directory, SMARTER_MAX_STREAMS=str(STREAMS)) as (started, api, status),
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        ) as http,
    ):
        async with http.post(f"{api}/app/v1/session", json={}, headers={"Origin": api}) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
        yield Served(http, api, status, headers, psutil.Process(started.pid))


@dataclass
class Pace:
    """A reply that says its next word when everybody may."""

    steps: list[asyncio.Event] = field(default_factory=lambda: [asyncio.Event() for _ in WORDS])

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step, word in zip(self.steps, WORDS, strict=True):
            await step.wait()
            await response.write(lines(delta(content=word), done=False))
        await response.write(lines(delta("stop")))
        return response


async def next_word(response: aiohttp.ClientResponse) -> str:
    """Return the next piece of text; empty at the end."""
    async for line in response.content:
        if line.startswith(b"data: {") and (said := json.loads(line[6:])["choices"][0]["delta"].get("content")):
            return str(said)
    return ""


async def test_a_thousand_streams_are_open_at_once_and_all_end_complete(tmp_path: Path) -> None:
    pace = Pace()
    async with asyncio.timeout(300), scripted(*[pace] * STREAMS) as provider, served(tmp_path, provider) as bot:
        idle = bot.memory()
        # The headers come with the first word.
        pace.steps[0].set()
        answers: list[aiohttp.ClientResponse] = []
        for _ in range(0, STREAMS, 100):
            answers += await asyncio.gather(*(bot.open() for _ in range(100)))
        said = [[word] for word in await asyncio.gather(*map(next_word, answers))]
        assert await bot.streams() == STREAMS
        assert bot.memory() - idle < STREAMS * MIB // 2
        for step in pace.steps[1:]:
            # Nobody gets ahead: each word is out to all before the next is said.
            step.set()
            for words, word in zip(said, await asyncio.gather(*map(next_word, answers)), strict=True):
                words.append(word)
        assert said == [list(WORDS)] * STREAMS
        rest = [await answer.content.read() for answer in answers]
        assert [text.rstrip().endswith(b"data: [DONE]") for text in rest] == [True] * STREAMS
        await until(lambda: _is_idle(bot))


async def test_who_reads_nothing_costs_little_and_holds_up_nobody(tmp_path: Path) -> None:
    flood = Flood()
    quick = says("quick")
    async with (
        asyncio.timeout(300),
        scripted(quick, *[flood] * SLOW_READERS) as provider,
        served(tmp_path, provider) as bot,
    ):
        assert await bot.answer() == "quick"
        idle = bot.memory()
        readers = [await _asks_and_does_not_read(bot) for _ in range(SLOW_READERS)]
        await until(lambda: flood.begun == SLOW_READERS)
        # The provider could go on for ever; it is held back while others are answered.
        sent, unchanged = -1, 0
        while unchanged < 20:
            provider.replies.append(quick)
            assert await bot.answer() == "quick"
            sent, unchanged = flood.sent, unchanged + 1 if flood.sent == sent else 0
        assert await bot.streams() == SLOW_READERS
        # The text of an answer is kept to its end, and little else: what fits nowhere was never asked for.
        assert bot.memory() - idle < flood.sent + 64 * MIB
        # Whoever begins to read after all gets more.
        while flood.sent == sent:
            assert await asyncio.get_running_loop().sock_recv(readers[0], 65536)
        for reader in readers:
            reader.close()
        await until(lambda: _is_idle(bot))


class Flood:
    """A reply without an end, as fast as it is taken."""

    def __init__(self) -> None:
        self.begun = 0
        self.sent = 0
        self._chunk = lines(delta(content="word " * 2000), done=False)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.begun += 1
        while True:
            await response.write(self._chunk)
            self.sent += len(self._chunk)


async def _asks_and_does_not_read(bot: Served) -> socket.socket:
    at = urlsplit(bot.api)
    body = json.dumps(QUESTION | {"stream": True})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: {bot.headers['Authorization']}\r\n"
    )
    asked = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    reader = socket.socket()
    # Small, so that little has to be sent until nothing more fits in.
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, (at.hostname, at.port))
    await loop.sock_sendall(reader, asked)
    return reader


async def _is_idle(bot: Served) -> bool:
    return await bot.streams() == 0
