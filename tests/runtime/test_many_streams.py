"""Many streams at once: idle ones, slow readers, answers that come byte by byte, and the end of the process."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
from aiohttp import web

from runtime.support import delta, lines, played, write
from runtime.test_process import SLOW, process, stream

STREAMS = 100


async def test_every_byte_may_come_alone_with_heartbeats_in_between(tmp_path: Path) -> None:
    words = "Grüße, 世界! 🙂"

    async def crumbs(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunks = (delta(role="assistant", content=""), *(delta(content=letter) for letter in words), delta("stop"))
        whole = b"".join(b": ping\r\n\r\n" + lines(chunk, done=False) for chunk in chunks) + lines()
        for index in range(len(whole)):
            await response.write(whole[index : index + 1])
            if index % 20 == 0:
                await asyncio.sleep(0)
        return response

    async with played(tmp_path, crumbs) as (bot, _), bot.client() as client:
        chunks = await client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "x"}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
    assert text == words


async def test_the_end_of_the_process_loses_none_of_a_hundred_streams(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    connector = aiohttp.TCPConnector(limit=0)
    async with process(tmp_path) as (started, api, _), aiohttp.ClientSession(connector=connector) as http:
        answers = await asyncio.gather(*(stream(http, api) for _ in range(STREAMS)))
        for answer in answers:
            await answer.content.readline()
        started.send_signal(signal.SIGTERM)
        texts = await asyncio.gather(*(answer.text() for answer in answers))
        assert await asyncio.wait_for(started.wait(), 60) == 0
    assert [text.rstrip().endswith("data: [DONE]") for text in texts] == [True] * STREAMS


async def test_who_reads_nothing_holds_up_nobody_else(tmp_path: Path) -> None:
    paragraph = "word " * 2000

    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        # Nobody's buffers hold all of it.
        while True:
            await response.write(lines(delta(content=paragraph), done=False))

    async def short(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="quick"), delta("stop")))
        return response

    async with played(tmp_path, long, *[short] * 20) as (bot, script):
        host, _, port = bot.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bot.token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        while not script.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        answers = await asyncio.gather(*(bot.chat("x") for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert bot.services.places.taken == 1
        writer.transport.abort()
        while bot.services.places.taken:  # noqa: ASYNC110
            await asyncio.sleep(0)
