"""The loads, all bounded, and what they show."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.runtime_provider import CHUNKS, WORD
from bench.runtime_stacks import Place, Running

ANSWERS = 200
AT_ONCE = 8
LATENCIES = 100
STREAMS = 40
WARM_UP = 20
OPEN_STREAMS = 1000
QUESTION = [{"role": "user", "content": "What is the return window for boots?"}]
TEXT = WORD * CHUNKS


@dataclass(frozen=True)
class Answers:
    """What whole answers and unpaced streams cost."""

    cpu_ms_answer: float
    cpu_ms_burst: float
    answers_per_s: float
    latencies_ms: tuple[float, ...]


class Client:
    """Asks one program."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = f"{url}/v1/chat/completions"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def answer(self, model: str) -> float:
        """Get a whole answer; return its milliseconds."""
        begun = time.perf_counter()
        body = {"model": model, "messages": QUESTION}
        async with self._session.post(self._url, json=body, headers=self._headers) as response:
            document = await response.json()
        assert document["choices"][0]["message"]["content"].strip() == TEXT.strip(), document
        return (time.perf_counter() - begun) * 1000

    async def stream(self, model: str) -> None:
        """Read a stream to its end and see that all of it came."""
        body = {"model": model, "messages": QUESTION, "stream": True}
        received = bytearray()
        async with self._session.post(self._url, json=body, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            async for piece in response.content.iter_any():
                received += piece
        assert received.count(WORD.strip().encode()) >= CHUNKS and b"[DONE]" in received, received[-500:]

    @asynccontextmanager
    async def opened(self, model: str) -> AsyncIterator[None]:
        """Hold a stream open that has begun."""
        body = {"model": model, "messages": QUESTION, "stream": True}
        async with self._session.post(self._url, json=body, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            await response.content.readany()
            yield


@asynccontextmanager
async def client(at: Place, url: str, token: str) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(limit=0, ssl=at.trust())
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Client(session, url, token)


async def answers(of: Running, at: Place, token: str) -> Answers:
    """Load a program with whole answers, then with streams that come at once, then with one answer at a time."""
    async with client(at, of.url, token) as ask:
        await _at_once(AT_ONCE, WARM_UP, lambda: ask.answer("burst"))
        await _at_once(AT_ONCE, WARM_UP, lambda: ask.stream("burst"))
        cpu, seconds = await _measured(of, _at_once(AT_ONCE, ANSWERS, lambda: ask.answer("burst")))
        burst_cpu, _ = await _measured(of, _at_once(AT_ONCE, ANSWERS, lambda: ask.stream("burst")))
        latencies = [await ask.answer("burst") for _ in range(LATENCIES)]
    return Answers(cpu / ANSWERS * 1000, burst_cpu / ANSWERS * 1000, ANSWERS / seconds, tuple(latencies))


async def paced_stream(of: Running, at: Place, token: str) -> float:
    """Return the milliseconds of CPU that a stream of 100 chunks costs that come every 20 ms."""
    async with client(at, of.url, token) as ask:
        await _at_once(AT_ONCE, AT_ONCE, lambda: ask.stream("paced"))
        cpu, _ = await _measured(of, _at_once(STREAMS, STREAMS, lambda: ask.stream("paced")))
    return cpu / STREAMS * 1000


async def kib_per_stream(of: Running, at: Place, token: str, number: int = OPEN_STREAMS) -> float:
    """Return what one more open stream takes of memory, with `number` open at the same time."""
    async with client(at, of.url, token) as ask, AsyncExitStack() as stack:
        before = of.pss_mib()
        for begin in range(0, number, 100):
            opened = [ask.opened("slow") for _ in range(begin, min(number, begin + 100))]
            await asyncio.gather(*map(stack.enter_async_context, opened))
        return (of.pss_mib() - before) * 1024 / number


async def direct(at: Place, provider_url: str, key: str) -> list[float]:
    """Return the milliseconds of answers that come from the provider directly."""
    async with client(at, provider_url, key) as ask:
        for _ in range(WARM_UP):
            await ask.answer("burst")
        return [await ask.answer("burst") for _ in range(LATENCIES)]


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def _measured(of: Running, work: Awaitable[Any]) -> tuple[float, float]:
    """Return the seconds of CPU and of time that `work` took of the program."""
    cpu, begun = of.cpu_seconds(), time.perf_counter()
    await work
    return of.cpu_seconds() - cpu, time.perf_counter() - begun


async def _at_once(width: int, number: int, ask: Callable[[], Awaitable[Any]]) -> None:
    places = asyncio.Semaphore(width)

    async def one() -> None:
        async with places:
            await ask()

    await asyncio.gather(*(one() for _ in range(number)))
