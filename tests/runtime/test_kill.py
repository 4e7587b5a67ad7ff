"""A process that is killed: what it had begun is on record, and nothing that it had finished is lost."""

import asyncio
import hashlib
import signal
import sqlite3
from asyncio.subprocess import Process
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from runtime.support import config, write
from runtime.test_process import process
from smarter_crds.runtime_config import LimitsConfig, ModelConfig
from smarter_runtime.conversations.talk import HEADER
from smarter_runtime.embedded import FILE_NAME

TOKEN = "a-token-of-the-platform"
SLOW = ModelConfig(provider="main", name="demo-slow")


async def session(http: aiohttp.ClientSession, api: str, visitor: str = "v" * 22) -> dict[str, str]:
    headers = {"Origin": api, "Cookie": f"smarter-visitor={visitor}"}
    async with http.post(f"{api}/app/v1/session", json={}, headers=headers) as response:
        return {"Authorization": f"Bearer {(await response.json())['token']}"}


async def usage(http: aiohttp.ClientSession, status: str) -> list[dict[str, Any]]:
    async with http.get(f"{status}/usage", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        records: list[dict[str, Any]] = (await response.json())["records"]
        return records


def ask(http: aiohttp.ClientSession, api: str, headers: dict[str, str], text: str, *, stream: bool = False) -> Any:
    body = {"messages": [{"role": "user", "content": text}], "stream": stream}
    return http.post(f"{api}/v1/chat/completions", json=body, headers=headers)


def settings(tmp_path: Path, **changes: Any) -> dict[str, str]:
    """Write a config, and return what a process needs that serves it."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    write(tmp_path / "config", config(status_tokens=(digest,), **changes))
    return {"SMARTER_DATA_DIRECTORY": str(tmp_path / "data")}


def written(tmp_path: Path) -> int:
    """Return how many records are in the file."""
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as db:
        (count,) = db.execute("select count(*) from usage").fetchone()
    return int(count)


async def kill(started: Process) -> None:
    started.send_signal(signal.SIGKILL)
    await started.wait()


async def test_an_answer_that_was_being_made_is_on_record_and_its_conversation_goes_on(tmp_path: Path) -> None:
    variables = settings(tmp_path, model=SLOW)
    async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
        headers = await session(http, api)
        async with ask(http, api, headers | {HEADER: "new"}, "kept") as response:
            finished = (await response.json())["id"]
            conversation = {HEADER: response.headers[HEADER]}
        going_on = await ask(http, api, headers | conversation, "cut off " + "word " * 500, stream=True)
        async with asyncio.timeout(30):
            while written(tmp_path) < 2:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        await kill(started)
        going_on.close()
    async with process(tmp_path / "config", **variables) as (_, api, status), aiohttp.ClientSession() as http:
        records = await usage(http, status)
        assert [(each["id"] == finished, each["status"]) for each in records] == [(True, "Complete"), (False, "Lost")]
        assert (records[1]["usageSource"], records[1]["inputTokens"] > 500) == ("Estimated", True)
        headers = await session(http, api)
        async with ask(http, api, headers | conversation, "go on") as response:
            assert response.status == 200
        async with http.get(f"{api}/app/v1/conversations/{conversation[HEADER]}", headers=headers) as response:
            messages = (await response.json())["messages"]
        assert [each["status"] for each in messages if each["role"] == "assistant"] == [
            "Complete",
            "Failed",
            "Complete",
        ]
        assert len(await usage(http, status)) == 3


async def test_a_killed_process_loses_no_record_of_an_answer_that_was_sent(tmp_path: Path) -> None:
    variables = settings(tmp_path)
    finished: set[str] = set()

    async def answer(http: aiohttp.ClientSession, api: str, headers: dict[str, str]) -> None:
        async with ask(http, api, headers, "hello") as response:
            finished.add((await response.json())["id"])

    for _ in range(4):
        async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
            headers = await session(http, api)
            await asyncio.gather(*(answer(http, api, headers) for _ in range(20)))
            await kill(started)
    async with process(tmp_path / "config", **variables) as (_, _, status), aiohttp.ClientSession() as http:
        records = await usage(http, status)
    assert len(records) == 80
    assert {each["id"] for each in records} == finished


async def test_a_killed_process_does_not_forget_what_was_used(tmp_path: Path) -> None:
    variables = settings(tmp_path, limits=LimitsConfig(tokens_per_day=10))
    async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
        async with ask(http, api, await session(http, api), "hello") as response:
            assert response.status == 200
        await kill(started)
    async with process(tmp_path / "config", **variables) as (_, api, _), aiohttp.ClientSession() as http:
        refused = await ask(http, api, await session(http, api), "hello")
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "insufficient_quota")
