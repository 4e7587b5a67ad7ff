"""OpenAI's JavaScript client against a bot; `make test` installs it."""

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from aiohttp import web

from runtime.keys import TOKEN, key, put
from runtime.support import Reply, Running, call, calls, delta, lines, played, plugin, says, stream
from runtime.test_streaming import answered

JS = Path(__file__).parent / "js"
CITY = '{"city": "Rome"}'
KEY = '{"inquiry_type": "warranty"}'


async def done(bot: Running, job: str) -> Any:
    """Return what the client says came of a job."""
    environment = {"BOT_URL": f"{bot.url}/v1", "BOT_TOKEN": TOKEN, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        "node", "client.mjs", job, cwd=JS, env=environment, stdout=PIPE, stderr=PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


def mixed() -> Reply:
    return calls(
        call(KEY, index=0, id_="call_ours", name="returns-policy"), call(CITY, index=1, id_="call_c", name="weather")
    )


async def test_streamed_calls_of_its_own_tools_are_put_together_and_answered(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with played(tmp_path, mixed(), says("Sunny."), plugins=(plugin(),)) as (bot, script):
        assert await done(bot, "tools") == [[CITY], "Sunny."]
    results = [each["content"] for each in script.bodies[1]["messages"] if each["role"] == "tool"]
    assert results == ["2 years", "sunny"]


async def test_the_same_in_the_responses_format(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with played(tmp_path, mixed(), says("Sunny."), plugins=(plugin(),)) as (bot, _):
        assert await done(bot, "responses") == [CITY, "Sunny."]


async def test_a_cancelled_stream_lets_the_provider_go(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(lines(delta(content="and on "), done=False))
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()
            raise

    put(tmp_path, key())
    async with played(tmp_path, endless) as (bot, _):
        assert await done(bot, "cancel") == "cancelled"
        await asyncio.wait_for(gone.wait(), 10)
        await asyncio.wait_for(answered(bot), 10)


async def test_what_goes_wrong_in_the_middle_is_raised(tmp_path: Path) -> None:
    put(tmp_path, key())
    half = stream(lines(delta(content="half"), {"error": {"code": "overloaded"}}, done=False))
    async with played(tmp_path, half) as (bot, _):
        is_raised, code = await done(bot, "failure")
        assert is_raised
        assert code.startswith("provider_")
