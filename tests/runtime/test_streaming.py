import asyncio
import json
import logging
from pathlib import Path

import pytest
from aiohttp import web
from openai import APIError

from runtime.support import (
    USAGE,
    Reply,
    Running,
    call,
    config,
    delta,
    lines,
    played,
    plugin,
    running,
    says,
    scripted,
    stream,
)
from smarter_crds.runtime_config import ModelConfig, RuntimeConfig
from smarter_runtime.events import ToolResult
from smarter_runtime.metrics import Metrics


def waits_for(event: asyncio.Event, *before: bytes) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in before:
            await response.write(piece)
        await event.wait()
        await response.write(lines(delta(content=" the end"), delta("stop")))
        return response

    return reply


async def test_pieces_are_passed_on_while_the_model_still_writes(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    reply = waits_for(go_on, lines(delta(content="first"), done=False))
    async with played(tmp_path, reply) as (bot, _), bot.client() as client:
        stream = await client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "x"}], stream=True
        )
        texts = []
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
            if "first" in texts:
                go_on.set()
    assert "".join(texts) == "first the end"


async def test_silence_is_filled_with_empty_pieces_that_sdks_understand(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with scripted(waits_for(go_on)) as provider:
        document = config(providers=provider.config())
        async with running(tmp_path, document, heartbeat_seconds=0.02) as bot, bot.client() as client:
            stream = await client.chat.completions.create(
                model="support", messages=[{"role": "user", "content": "x"}], stream=True
            )
            deltas = []
            async for chunk in stream:
                deltas.append(chunk.choices[0].delta)
                if len(deltas) == 4:
                    go_on.set()
    assert [each.role for each in deltas].count("assistant") == 1
    assert deltas[1].content is None
    assert "".join(each.content or "" for each in deltas) == " the end"


async def test_the_sdk_raises_what_went_wrong_in_the_middle(tmp_path: Path) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="half"), {"error": {"code": "overloaded"}}))
        return response

    async with played(tmp_path, half) as (bot, _), bot.client() as client:
        stream = await client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "x"}], stream=True
        )
        with pytest.raises(APIError, match="provider"):
            async for _chunk in stream:
                pass


async def test_usage_comes_only_when_it_is_asked_for(tmp_path: Path) -> None:
    async with played(tmp_path, says("x"), says("x")) as (bot, provider):
        plain = await (await bot.chat("x", stream=True)).text()
        asked = await (await bot.chat("x", stream=True, stream_options={"include_usage": True})).text()
    assert '"choices":[]' not in plain
    assert asked.count('"choices":[]') == 1
    assert asked.rstrip().endswith("data: [DONE]")
    assert all(body["stream_options"] == {"include_usage": True} for body in provider.bodies)


async def test_headers_of_a_stream_keep_proxies_from_collecting_it(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.chat("x", stream=True)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "document"])
async def test_when_the_client_goes_the_provider_is_let_go_and_the_cost_is_charged(
    tmp_path: Path, stream: bool
) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        asked.set()
        try:
            while True:
                await response.write(lines(delta(content="and on "), done=False))
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()
            raise

    async with played(tmp_path, endless) as (bot, _):
        request = asyncio.create_task(bot.chat("x", stream=stream))
        await asked.wait()
        request.cancel()
        await asyncio.wait_for(gone.wait(), 10)
        await asyncio.wait_for(answered(bot), 10)
        assert await bot.used_tokens() > 0
        assert 'reason="client_gone"' in await bot.metrics()


async def test_one_answer_too_many_is_refused(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with scripted(waits_for(go_on), says("x")) as provider:
        document = config(providers=provider.config())
        async with running(tmp_path, document, max_streams=1, heartbeat_seconds=0.01) as bot:
            headers = {"Authorization": f"Bearer {bot.token}"}
            body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
            async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as first:
                refused = await bot.chat("x")
                assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
                assert (await refused.json())["error"]["code"] == "overloaded"
                go_on.set()
                assert "[DONE]" in await first.text()
            assert (await bot.chat("x")).status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/app/v1/session"])
async def test_a_client_that_leaves_in_the_middle_of_its_question_is_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    async with running(tmp_path, config()) as bot:
        address = bot.url.removeprefix("http://")
        _, writer = await asyncio.open_connection(*address.split(":"))
        head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {bot.token}\r\nOrigin: {bot.url}\r\n"
        writer.write(f'{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"messages"'.encode())
        await writer.drain()
        writer.close()
        while 'reason="client_gone"' not in await bot.metrics():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [pytest.param("trace-42.a_b", True, id="usable"), pytest.param("a b\tc" * 50, False, id="unusable")],
)
async def test_a_request_id_is_taken_over_if_it_can_be(tmp_path: Path, given: str, kept: bool) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.post({}, **{"X-Request-ID": given})
    assert (response.headers["X-Request-ID"] == given) is kept
    assert response.headers["X-Request-ID"]


async def test_a_bug_is_no_news_for_the_client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Metrics):
        def tool_done(self, result: ToolResult, seconds: float, config: RuntimeConfig) -> None:
            raise ZeroDivisionError("internal detail")

    broken = plugin(data={"a": "b"})
    reply = [delta(tool_calls=[call('{"inquiry_type": "a"}', id_="c", name="returns-policy")]), delta("tool_calls")]

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="Let me see"), *reply))
        return response

    async with played(tmp_path, half, plugins=(broken,)) as (bot, _):
        bot.services.metrics = Faulty()
        text = await (await bot.chat("x", stream=True)).text()
    error = json.loads(text.strip().splitlines()[-1].removeprefix("data: "))["error"]
    assert error["code"] == "internal_error"
    assert "internal detail" not in text
    assert "ZeroDivisionError" in caplog.text


async def test_the_slow_demo_writes_what_the_fast_one_writes(tmp_path: Path) -> None:
    texts = []
    for name in ("demo", "demo-slow"):
        async with running(tmp_path / name, config(model=ModelConfig(provider="main", name=name))) as bot:
            texts.append((await (await bot.chat("hi", max_tokens=4)).json())["choices"][0])
    assert texts[0] == texts[1]
    assert texts[0]["finish_reason"] == "length"


async def answered(bot: Running) -> None:
    """Wait until no answer is being made any more."""
    while bot.services.places.taken:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_text_that_came_at_once_goes_on_at_once(tmp_path: Path) -> None:
    words = [f"word{number} " for number in range(100)]
    at_once = stream(lines(*(delta(content=word) for word in words), delta("stop"), USAGE))
    async with played(tmp_path, at_once) as (bot, _), bot.client() as client:
        chunks = await client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "x"}], stream=True
        )
        pieces = [piece async for chunk in chunks if (piece := chunk.choices[0].delta.content)]
    assert "".join(pieces) == "".join(words)
    # The network may cut it anywhere, but not after every word.
    assert len(pieces) < 50


async def test_what_was_said_before_a_fault_is_sent_although_both_came_at_once(tmp_path: Path) -> None:
    fault = {"error": {"message": "x", "type": "server_error", "code": None}}
    broken = stream(lines(delta(content="So "), delta(content="far."), fault, done=False))
    async with played(tmp_path, broken) as (bot, _):
        response = await bot.chat("x", stream=True)
        text = await response.text()
    assert text.index("So far.") < text.index('"error"')
    assert "[DONE]" not in text
