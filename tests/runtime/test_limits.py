from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.support import NOW, config, played, running, says, write
from smarter_crds.runtime_config import LimitsConfig


async def test_a_days_tokens_are_refused_until_midnight(tmp_path: Path) -> None:
    now = datetime(2026, 3, 14, 23, 59, 30, tzinfo=UTC)

    def clock() -> datetime:
        return now

    async with running(tmp_path, config(limits=LimitsConfig(tokens_per_day=20)), clock) as bot:
        used = (await (await bot.chat("hi")).json())["usage"]["total_tokens"]
        assert await bot.used_tokens() == used > 20
        refused = await bot.chat("hi")
        error = (await refused.json())["error"]
        assert (refused.status, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
        assert refused.headers["x-should-retry"] == "false"
        assert refused.headers["Retry-After"] == "31"
        assert 'smarter_limit_hits_total{limit="tokensPerDay",mode="Enforce"} 1.0' in await bot.metrics()
        now += timedelta(minutes=1)
        assert (await bot.chat("hi")).status == 200


async def test_the_providers_count_is_what_is_charged(tmp_path: Path) -> None:
    async with played(tmp_path, says("a"), says("b"), limits=LimitsConfig(tokens_per_day=30)) as (bot, _):
        assert [(await bot.chat("x")).status for _ in range(3)] == [200, 200, 429]
        assert await bot.used_tokens() == 30


async def test_a_new_config_does_not_forget_what_was_used(tmp_path: Path) -> None:
    async with running(tmp_path, config(limits=LimitsConfig(tokens_per_day=20)), lambda: NOW) as bot:
        await bot.chat("hi")
        write(tmp_path / "config", config(limits=LimitsConfig(tokens_per_day=21)))
        await bot.runtime.refresh()
        assert (await bot.chat("hi")).status == 429


async def test_without_a_limit_nothing_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        assert [(await bot.chat("hi")).status for _ in range(3)] == [200] * 3
