"""Usage records: one for each answer, whatever becomes of it."""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.books import records
from runtime.support import (
    NOW,
    Reply,
    call,
    calls,
    config,
    delta,
    lines,
    looks_up,
    played,
    plugin,
    refuses,
    running,
    says,
    stream,
)
from smarter_crds.runtime_config import BotIdentity, LimitsConfig
from smarter_crds.usage import ToolUsage, UsageRecord
from smarter_runtime.metrics import Metrics
from smarter_runtime.usage import Entry
from smarter_runtime.usage.recorder import GATHER_SECONDS, MOST_WAITING, Recorder
from smarter_runtime.usage.sqlite import SqliteUsage
from support.virtual_time import virtual_time

COUNTED = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
CUT = stream(lines(delta(content="So"), delta("length"), {"choices": [], "usage": COUNTED}))
FILTERED = stream(lines(delta(content="I"), delta("content_filter"), {"choices": [], "usage": COUNTED}))
BROKEN = stream(lines(delta(content="We"), done=False))
UNCOUNTED = stream(lines(delta(content="12345678"), delta("stop")))


def essence(record: UsageRecord) -> dict[str, Any]:
    """Return what does not differ from run to run."""
    varying = {"id", "client", "bot", "duration_ms", "first_token_ms", "started_at"}
    return record.model_dump(exclude=varying, exclude_defaults=True)


async def test_a_record_tells_who_asked_what_it_took_and_how_it_ended(tmp_path: Path) -> None:
    replies = (looks_up(), calls(call("{}", id_="c", name="made-up")), says("30 days."))
    async with played(tmp_path, *replies, plugins=(plugin(),)) as (bot, _):
        response = await bot.chat("How long?", stream=True)
        text = await response.text()
        (record,) = records(bot.services)
    assert f'"id":"{record.id}"' in text
    assert record.bot == BotIdentity(name="support", namespace="acme", uid="uid-of-support")
    assert record.started_at == NOW
    assert 0 <= (record.first_token_ms or -1) <= record.duration_ms
    assert len(record.client) == 32
    assert essence(record) == {
        "provider": "main",
        "model": "demo",
        "rounds": 3,
        "input_tokens": 30,
        "output_tokens": 15,
        "stream": True,
        "tools": ({"name": "returns-policy", "calls": 1}, {"name": "unknown", "calls": 1, "errors": 1}),
    }
    assert record.tools[0] == ToolUsage(name="returns-policy", calls=1)


@pytest.mark.parametrize("is_stream", [pytest.param(True, id="stream"), pytest.param(False, id="whole")])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            CUT, {"status": "Length", "input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 4}, id="cut"
        ),
        pytest.param(
            FILTERED,
            {"status": "Filtered", "input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 4},
            id="filtered",
        ),
        pytest.param(
            BROKEN,
            {
                "status": "Failed",
                "reason": "provider_cut_answer",
                "usage_source": "Estimated",
                "input_tokens": 24,
                "output_tokens": 1,
            },
            id="broken-off",
        ),
        pytest.param(refuses(401), {"status": "Failed", "reason": "provider_auth"}, id="refused"),
        pytest.param(UNCOUNTED, {"usage_source": "Estimated", "input_tokens": 24, "output_tokens": 2}, id="uncounted"),
    ],
)
async def test_a_record_tells_how_the_answer_ended(
    tmp_path: Path, reply: Reply, is_stream: bool, expected: dict[str, Any]
) -> None:
    async with played(tmp_path, reply) as (bot, _):
        await bot.chat("How long?", stream=is_stream)
        (record,) = records(bot.services)
    common = {"provider": "main", "model": "demo", "rounds": 1} | ({"stream": True} if is_stream else {})
    assert essence(record) == common | expected


async def test_who_goes_away_leaves_a_record_of_what_was_used(tmp_path: Path) -> None:
    async def begins(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="Once upon"), done=False))
        await asyncio.Event().wait()
        return response

    async with played(tmp_path, begins) as (bot, _):
        body = {"messages": [{"role": "user", "content": "A story"}], "stream": True}
        headers = {"Authorization": f"Bearer {bot.token}"}
        async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as response:
            while b"Once upon" not in await response.content.readline():
                pass
            response.close()
        services = bot.services
    (record,) = records(services)
    assert (record.status, record.usage_source, record.output_tokens) == ("Stopped", "Estimated", 3)


async def test_what_is_refused_before_it_begins_has_no_record(tmp_path: Path) -> None:
    async with running(tmp_path, config(limits=LimitsConfig(tokens_per_day=1)), max_streams=1) as bot:
        await bot.post({"messages": []})
        await bot.chat("hello")
        assert (await bot.chat("one too many")).status == 429
        assert len(records(bot.services)) == 1


async def test_nothing_that_was_said_is_in_a_record(tmp_path: Path) -> None:
    async with played(tmp_path, looks_up("sneakers-arg"), says("private answer"), plugins=(plugin(),)) as (bot, _):
        await bot.chat("private question")
        token = bot.token
        (record,) = records(bot.services)
        text = record.model_dump_json()
    visitor = token.partition(".")[0]
    for secret in ("private", "sneakers", token, visitor):
        assert secret not in text


async def test_an_answer_is_on_record_from_its_beginning(tmp_path: Path) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        begun.set()
        await gate.wait()
        return await says("Done.")(request)

    async with played(tmp_path, waits) as (bot, _):
        answering = asyncio.create_task(bot.chat("x" * 400))
        await begun.wait()
        async with asyncio.timeout(10):
            while not (found := records(bot.services)):  # noqa: ASYNC110 - another thread writes it
                await asyncio.sleep(0.01)
        assert (found[0].status, found[0].usage_source) == ("Lost", "Estimated")
        assert found[0].input_tokens >= 100
        gate.set()
        response = await answering
        (record,) = records(bot.services)
        assert (record.status, record.id) == ("Complete", (await response.json())["id"])


class BrokenUsage(SqliteUsage):
    """A store that can be broken and mended."""

    is_broken = True

    def submit(self, entries: Any) -> asyncio.Future[None]:
        if not self.is_broken:
            return super().submit(entries)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(OSError("the disk is gone"))
        return future


async def test_no_answer_fails_because_it_cannot_be_recorded_and_the_record_comes_later(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        usage = BrokenUsage(bot.services.keeping.embedded)
        recorder = Recorder(usage, bot.services.metrics)
        object.__setattr__(bot.services.keeping, "recorder", recorder)
        response = await bot.chat("hello", stream=True)
        assert (await response.text()).endswith("data: [DONE]\n\n")
        assert "smarter_usage_records_waiting 1.0" in await bot.metrics()
        assert records(bot.services) == []
        usage.is_broken = False
        await recorder.close()
        assert [record.status for record in records(bot.services)] == ["Complete"]


class FullUsage(SqliteUsage):
    """A store that takes nothing for a while."""

    def __init__(self) -> None:
        self.is_full = True
        self.taken: list[str] = []

    def submit(self, entries: Sequence[Entry]) -> asyncio.Future[None]:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        self.taken += [each.id for each in entries]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@virtual_time
async def test_of_too_many_records_that_cannot_be_written_the_oldest_are_lost_and_counted() -> None:
    usage, metrics = FullUsage(), Metrics()
    recorder = Recorder(usage, metrics)
    new = partial(UsageRecord, bot=BotIdentity(name="b", namespace="n", uid="u"), started_at=NOW)
    for number in range(MOST_WAITING + 2):
        recorder.begin(f"id-{number}", partial(new, id=f"id-{number}"), until_ms=0)
    await asyncio.sleep(GATHER_SECONDS)
    await recorder.end(new(id="last"))
    said = metrics.text().decode()
    assert "smarter_usage_records_lost_total 3.0" in said
    assert f"smarter_usage_records_waiting {MOST_WAITING:.1f}" in said
    usage.is_full = False
    await recorder.close()
    assert usage.taken == [*(f"id-{number}" for number in range(3, MOST_WAITING + 2)), "last"]


@virtual_time
async def test_an_answer_that_is_over_soon_is_written_once_whatever_else_is_written_meanwhile() -> None:
    usage = FullUsage()
    usage.is_full = False
    recorder = Recorder(usage, Metrics())
    new = partial(UsageRecord, bot=BotIdentity(name="b", namespace="n", uid="u"), started_at=NOW)
    recorder.begin("short", partial(new, id="short"), until_ms=5)
    recorder.begin("long", partial(new, id="long"), until_ms=5)
    await recorder.end(new(id="other"))
    await recorder.end(new(id="short"))
    assert usage.taken == ["other", "short"]
    await asyncio.sleep(GATHER_SECONDS)
    assert usage.taken == ["other", "short", "long"]
    await recorder.close()


class SlowUsage(SqliteUsage):
    """A store that writes when it is told to."""

    def __init__(self) -> None:
        self.write: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def submit(self, entries: Sequence[Entry]) -> asyncio.Future[None]:
        return self.write


@virtual_time
async def test_the_end_waits_for_a_write_that_has_taken_longer_than_its_answer() -> None:
    usage = SlowUsage()
    recorder = Recorder(usage, Metrics())
    await recorder.end(UsageRecord(id="a", bot=BotIdentity(name="b", namespace="n", uid="u"), started_at=NOW))
    closing = asyncio.create_task(recorder.close())
    await asyncio.sleep(5)
    assert not closing.done()
    usage.write.set_result(None)
    await closing
