"""What is too old goes by itself, and nothing that somebody still waits for."""

import asyncio
import contextlib
import sqlite3
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from runtime.support import NOW, Running, config, running
from runtime.talking import call, talk
from smarter_crds.runtime_config import ConversationsConfig
from smarter_runtime.bot import Bot, prepared
from smarter_runtime.conversations.talk import HEADER
from smarter_runtime.housekeeping import BATCH, Housekeeping, size
from smarter_runtime.keeping import keeping
from smarter_runtime.metrics import Metrics
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.usage import Entry
from support.virtual_time import virtual_time

MEBIBYTE = 1024 * 1024


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def tidy(bot: Running) -> None:
    await bot.services.housekeeping.once(bot.services.bot())


async def listed(bot: Running) -> list[str]:
    status, body = await call(bot, "GET", "?limit=100")
    assert status == 200
    return [each["title"] for each in body["conversations"]]


async def test_conversations_are_erased_when_nobody_used_them_for_as_long_as_the_bot_keeps_them(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, config(conversations=ConversationsConfig(retention_days=7)), clock) as bot:
        await talk(bot, "old")
        used = (await talk(bot, "used")).headers[HEADER]
        clock.now += timedelta(days=6)
        await talk(bot, "again", used)
        await tidy(bot)
        assert await listed(bot) == ["used", "old"]
        clock.now += timedelta(days=1, seconds=1)
        await tidy(bot)
        assert await listed(bot) == ["used"]
        await bot.reload(config(conversations=ConversationsConfig(retention_days=1)))
        await tidy(bot)
        assert await listed(bot) == []


async def test_however_many_are_too_old_all_of_them_go(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, config(), clock) as bot:

        def many(db: sqlite3.Connection) -> None:
            row = "insert into conversations values (?, 'o', '', 0, 0, 0, '', '', 0)"
            db.executemany(row, [(f"c{number}",) for number in range(2 * BATCH + 1)])

        await bot.services.keeping.embedded.run(many)
        await talk(bot, "new")
        await tidy(bot)
        count = await bot.services.keeping.embedded.run(
            lambda db: db.execute("select count(*) from conversations").fetchone()
        )
        assert count == (1,)


async def test_records_that_were_acknowledged_are_forgotten_after_a_day_and_others_never(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, config(), clock) as bot:
        usage = bot.services.keeping.usage
        await usage.put([Entry("a", "{}"), Entry("b", "{}")])
        await usage.acknowledge(["a"], bot.services.now_ms())
        clock.now += timedelta(days=1)
        await tidy(bot)
        clock.now += timedelta(days=1000)
        await tidy(bot)
        left = await bot.services.keeping.embedded.run(lambda db: db.execute("select id from usage").fetchall())
        assert left == [("b",)]
        await bot.services.keeping.embedded.run(lambda db: db.execute("delete from usage").fetchall())


async def test_a_full_store_gives_up_its_oldest_conversations_and_no_more_than_it_must(tmp_path: Path) -> None:
    clock = Clock()
    document = config(limits=config().limits.model_copy(update={"max_prompt_characters": 200_000}))
    async with running(tmp_path, document, clock, embedded_max_bytes=2 * MEBIBYTE) as bot:
        for number in range(16):
            clock.now += timedelta(minutes=1)
            await talk(bot, f"{number} " + "x" * 150_000)
        assert await size(bot.services.keeping.embedded) > 2 * MEBIBYTE
        await tidy(bot)
        assert await size(bot.services.keeping.embedded) <= 0.9 * 2 * MEBIBYTE
        assert (await bot.status())["problems"] == []
        left = [title.split()[0] for title in await listed(bot)]
    assert left == [str(number) for number in range(15, 15 - len(left), -1)]
    assert len(left) > 8


async def test_records_that_nobody_collects_are_a_problem_and_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path, config(), embedded_max_bytes=MEBIBYTE) as bot:
        usage = bot.services.keeping.usage
        await usage.put([Entry(f"a{number}", '{"x": "' + "x" * 10_000 + '"}') for number in range(150)])
        await tidy(bot)
        (problem,) = (await bot.status())["problems"]
        assert problem["reason"] == "UsageNotCollected"
        assert "150 records" in problem["message"]
        await usage.acknowledge([f"a{number}" for number in range(150)], 1)
        await tidy(bot)
        assert (await bot.status())["problems"] == []


async def test_a_broken_store_does_not_end_the_housekeeping(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        await bot.services.keeping.embedded.run(lambda db: db.execute("drop table turns").fetchall())
        await bot.services.keeping.embedded.run(lambda db: db.execute("drop table conversations").fetchall())
        await tidy(bot)


@virtual_time
async def test_it_is_done_soon_after_the_start_and_every_ten_minutes() -> None:
    times: list[float] = []

    class Watched(Housekeeping):
        async def once(self, bot: Bot) -> None:
            times.append(asyncio.get_running_loop().time())

    bot = prepared(config(), "hash", NOW)
    housekeeping = Watched(keeping(None, Metrics(), StoreConnections(SecretFiles(Path("none")))), lambda: NOW, MEBIBYTE)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2500):
            await housekeeping.run(lambda: bot)
    assert 24 <= times[0] <= 36
    assert all(480 <= after - before <= 720 for before, after in pairwise(times))
    assert len(times) >= 4
