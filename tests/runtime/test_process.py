"""The process as Kubernetes sees it: it starts, serves, and ends without cutting an answer."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from runtime.support import config, running, write
from smarter_crds.runtime_config import ModelConfig

SLOW = config(model=ModelConfig(provider="main", name="demo-slow"))


@asynccontextmanager
async def process(directory: Path, **settings: str) -> AsyncIterator[tuple[Process, str, str]]:
    """Run the program with its own ports; yields it with the addresses of its API and its status."""
    environment = {"SMARTER_CONFIG_DIRECTORY": str(directory), "SMARTER_HOST": "127.0.0.1", **settings}
    ports = {"SMARTER_API_PORT": "0", "SMARTER_STATUS_PORT": "0"}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smarter_runtime", env=environment | ports, stdout=PIPE
    )
    read: asyncio.Task[None] | None = None
    try:
        api, status = await asyncio.wait_for(addresses(started), 60)
        # Who logs into a pipe that nobody reads stands still when it is full.
        read = asyncio.create_task(_read_on(started))
        yield started, api, status
    finally:
        if started.returncode is None:
            started.kill()
        await (read or started.communicate())
        await started.wait()


async def _read_on(started: Process) -> None:
    assert started.stdout is not None
    while await started.stdout.read(65536):
        pass


async def addresses(started: Process) -> tuple[str, str]:
    """Return where the process listens, by its log; the API comes first."""
    found: dict[str, str] = {}
    assert started.stdout is not None
    while len(found) < 2:
        line = json.loads(await started.stdout.readline())
        if line["message"] == "listening":
            found[line["app"]] = f"http://127.0.0.1:{line['port']}"
    return found["api"], found["status"]


async def stream(http: aiohttp.ClientSession, api: str) -> aiohttp.ClientResponse:
    async with http.post(f"{api}/app/v1/session", json={}, headers={"Origin": api}) as response:
        headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
    body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    return await http.post(f"{api}/v1/chat/completions", json=body, headers=headers)


async def test_an_answer_that_was_begun_is_finished_before_the_end(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    async with process(tmp_path) as (started, api, status), aiohttp.ClientSession() as http:
        answer = await stream(http, api)
        await answer.content.readline()
        started.send_signal(signal.SIGTERM)
        text = await answer.text()
        assert text.rstrip().endswith("data: [DONE]")
        assert await asyncio.wait_for(started.wait(), 30) == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(f"{status}/status")


async def test_an_answer_that_takes_too_long_does_not_hold_up_the_end(tmp_path: Path) -> None:
    write(tmp_path, SLOW)
    async with process(tmp_path, SMARTER_DRAIN_SECONDS="0") as (started, api, _), aiohttp.ClientSession() as http:
        answer = await stream(http, api)
        await answer.content.readline()
        started.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(started.wait(), 30) == 0
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.text()


async def test_a_pod_that_is_ending_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        bot.runtime.stop()
        async with bot.http.get(f"{bot.url}/readyz") as ready, bot.http.get(f"{bot.url}/livez") as live:
            assert (ready.status, await ready.text(), live.status) == (503, "draining\n", 200)
        assert (await bot.chat("still served")).status == 200


async def test_a_bot_that_dials_nobody_loads_no_http_client() -> None:
    heavy = {"aiohttp", "asyncpg", "cryptography", "httpx", "jwt", "langchain", "openai", "redis"}
    code = f"import sys, smarter_runtime.__main__; print(*({heavy} & set(sys.modules)))"
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    output, _ = await started.communicate()
    assert (started.returncode, output.decode().split()) == (0, [])
