"""A bot that is away: who asks is told so, and nothing else of it changes."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from openai import InternalServerError

from runtime.support import config, delta, lines, played, running, write
from smarter_crds.runtime_config import MaintenanceConfig

AWAY = MaintenanceConfig(message="Back at 9:00 <b>sharp</b> \u202eٱ 🛠")


@pytest.mark.parametrize("stream", [pytest.param(False, id="document"), pytest.param(True, id="stream")])
async def test_the_sdk_is_told_that_the_bot_is_away_and_not_to_try_again(tmp_path: Path, stream: bool) -> None:
    async with running(tmp_path, config(maintenance=AWAY)) as bot, bot.client() as client:
        with pytest.raises(InternalServerError) as caught:
            await client.with_options(max_retries=2).chat.completions.create(
                model="demo", messages=[{"role": "user", "content": "hello"}], stream=stream
            )
        metrics = await bot.metrics()
    assert caught.value.status_code == 503
    assert caught.value.body == {"message": AWAY.message, "type": "server_error", "param": None, "code": "maintenance"}
    headers = caught.value.response.headers
    assert (headers["x-should-retry"], headers["Retry-After"]) == ("false", "60")
    assert 'smarter_requests_total{reason="maintenance",status="503"} 1.0' in metrics


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models")])
async def test_who_has_no_session_is_told_the_same(tmp_path: Path, method: str, path: str) -> None:
    async with (
        running(tmp_path, config(maintenance=AWAY)) as bot,
        bot.http.request(method, f"{bot.url}{path}") as response,
    ):
        assert (response.status, (await response.json())["error"]["message"]) == (503, AWAY.message)


async def test_the_page_stays_and_shows_the_message_as_text(tmp_path: Path) -> None:
    async with running(tmp_path, config(maintenance=AWAY)) as bot:
        async with bot.http.get(f"{bot.url}/") as response:
            assert response.status == 200
            html = await response.text()
        async with bot.http.get(f"{bot.url}/app/v1/config") as response:
            assert json.loads(await response.text())["maintenanceMessage"] == AWAY.message
        async with bot.http.get(f"{bot.url}/readyz") as response:
            assert response.status == 200
        async with bot.http.get(f"{bot.url}/.well-known/smarter") as response:
            assert (await response.json())["uid"] == "uid-of-support"
    assert "Back at 9:00 &lt;b&gt;sharp&lt;/b&gt; \u202eٱ 🛠" in html


async def test_the_switch_is_live_both_ways_and_sessions_last(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        for maintenance, status in ((None, 200), (AWAY, 503), (None, 200)):
            write(tmp_path / "config", config(maintenance=maintenance))
            await bot.runtime.refresh()
            assert (await bot.chat()).status == status


async def test_an_answer_that_was_begun_is_finished(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="first"), done=False))
        await go_on.wait()
        await response.write(lines(delta(content=" and last"), delta("stop")))
        return response

    async with played(tmp_path, reply) as (bot, script), bot.client() as client:
        stream = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "x"}], stream=True
        )
        texts = []
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
            if "first" in texts and not go_on.is_set():
                write(tmp_path / "config", config(providers=script.config(), maintenance=AWAY))
                await bot.runtime.refresh()
                assert (await bot.chat()).status == 503
                go_on.set()
    assert "".join(texts) == "first and last"
