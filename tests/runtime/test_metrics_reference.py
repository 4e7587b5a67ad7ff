"""Every series that a bot exposes: what a known run makes of it, and that the page about metrics tells of it."""

import asyncio
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from runtime.books import records
from runtime.keys import key, put
from runtime.support import (
    Running,
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
    until,
    write,
)
from runtime.test_process import process
from smarter_crds.price_config import PriceConfig
from smarter_crds.runtime_config import LimitsConfig, ModelConfig, RuntimeConfig

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
PRICE = PriceConfig(input=Decimal(1000), output=Decimal(2000), cached_input=Decimal(100))
MODEL = ModelConfig(provider="main", name="gpt", max_tokens=10)
COUNTED = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
CACHED = {"choices": [], "usage": COUNTED}

Series = dict[str, float]


def says_from_cache(text: str) -> Any:
    return stream(lines(delta(role="assistant", content=""), delta(content=text), delta("stop"), CACHED))


class Pausing:
    """A provider's reply that begins and then waits for the client to go."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="It is "), done=False))
        await self.gone.wait()
        return response


async def a_known_run(bot: Running, pausing: Pausing, document: RuntimeConfig) -> dict[str, float]:
    """Do everything that is counted; return the gauges as they were in the middle of a stream."""
    for is_stream in (True, False, False):
        assert (await bot.chat("x", stream=is_stream)).status == 200
    assert (await bot.chat("too long" * 100)).status == 400
    assert (await bot.chat("x")).status == 502
    meanwhile = await _abandoned(bot, pausing)
    for mode, expected in (("Shadow", [200, 200]), ("Enforce", [429])):
        limits = document.limits.model_copy(update={"requests_per_minute": 1, "mode": mode})
        await bot.reload(document.model_copy(update={"limits": limits}))
        assert [(await bot.chat("x")).status for _ in expected] == expected
    write(bot.directory / "config", b"{}")
    await bot.runtime.refresh()
    return meanwhile


async def _abandoned(bot: Running, pausing: Pausing) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {bot.token}"}
    body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    response = await bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers)
    await response.content.readline()
    found = await series(bot)
    response.close()
    await until(lambda: bot.services.places.taken == 0)
    pausing.gone.set()
    return {name: found[name] for name in ("smarter_requests_in_flight", "smarter_streams_active")}


REPLIES = [
    *(looks_up(), says_from_cache("ok")),
    *(calls(call("{}", id_="call_1", name="made-up-by-the-model")), says("ok")),
    *(calls(call('{"expression": "1+1"}', id_="call_1", name="calculator")), says("ok")),
    refuses(401),
]


async def test_every_series_has_the_value_of_a_known_run(tmp_path: Path) -> None:
    put(tmp_path, key())
    pausing = Pausing()
    replies = [*REPLIES, pausing, says("ok"), says("ok")]
    whole: dict[str, Any] = {
        "model": MODEL,
        "plugins": (plugin(),),
        "functions": ("Calculator",),
        "limits": LimitsConfig(max_prompt_characters=100),
    }
    async with played(tmp_path, *replies, provider={"prices": {"gpt": (PRICE,)}}, **whole) as (bot, script):
        meanwhile = await a_known_run(bot, pausing, config(providers=bot_providers(bot), **whole))
        found = await series(bot)
        used = records(bot.services)
        assert script.replies == []
    assert meanwhile == {"smarter_requests_in_flight": 1, "smarter_streams_active": 1}
    cost = found.pop('smarter_cost_usd_total{model="gpt"}')
    assert cost == pytest.approx(float(sum(Decimal(each.cost_usd or 0) for each in used)))
    # Seven rounds that the provider counted, one of them from its cache, and one that was estimated.
    assert cost > 0.02 * 6 + 0.0164 + 0.02
    for name, value in expected(sum(r.input_tokens for r in used), sum(r.output_tokens for r in used)).items():
        assert (name, found.pop(name, None)) == (name, value)
    assert found == {}, "a series that the test does not know"


def bot_providers(bot: Running) -> Any:
    served = bot.services.configs.bot
    assert served is not None
    return served.config.providers


def expected(input_tokens: float, output_tokens: float) -> Series:
    model = 'gen_ai_operation_name="chat",gen_ai_provider_name="openaicompatible",gen_ai_request_model="gpt"'
    duration = "gen_ai_client_operation_duration_seconds"
    return {
        'smarter_requests_total{reason="ok",status="200"}': 6,  # a session, three answers, two under Shadow
        'smarter_requests_total{reason="prompt_too_long",status="400"}': 1,
        'smarter_requests_total{reason="provider_auth",status="502"}': 1,
        'smarter_requests_total{reason="client_gone",status="200"}': 1,
        'smarter_requests_total{reason="rate_limit_exceeded",status="429"}': 1,
        "smarter_request_duration_seconds_count": 10,
        "smarter_time_to_first_token_seconds_count": 6,
        "smarter_requests_in_flight": 0,
        "smarter_streams_active": 0,
        'smarter_limit_hits_total{limit="maxPromptCharacters",mode="Enforce"}': 1,
        'smarter_limit_hits_total{limit="requestsPerMinute",mode="Shadow"}': 1,
        'smarter_limit_hits_total{limit="requestsPerMinute",mode="Enforce"}': 1,
        'smarter_tool_calls_total{plugin="returns-policy",result="ok"}': 1,
        'smarter_tool_calls_total{plugin="unknown",result="error"}': 1,
        'smarter_tool_calls_total{plugin="calculator",result="ok"}': 1,
        'smarter_tool_duration_seconds_count{plugin="returns-policy"}': 1,
        'smarter_tool_duration_seconds_count{plugin="unknown"}': 1,
        'smarter_tool_duration_seconds_count{plugin="calculator"}': 1,
        'smarter_plugin_selected_total{plugin="returns-policy"}': 7,
        'smarter_cached_input_tokens_total{model="gpt"}': 4,
        f'gen_ai_client_token_usage_count{{{model},gen_ai_token_type="input"}}': 10,
        f'gen_ai_client_token_usage_count{{{model},gen_ai_token_type="output"}}': 10,
        f'gen_ai_client_token_usage_sum{{{model},gen_ai_token_type="input"}}': input_tokens,
        f'gen_ai_client_token_usage_sum{{{model},gen_ai_token_type="output"}}': output_tokens,
        f'{duration}_count{{error_type="",{model}}}': 8,
        f'{duration}_count{{error_type="auth",{model}}}': 1,
        f'{duration}_count{{error_type="stopped",{model}}}': 1,
        f"gen_ai_client_operation_time_to_first_chunk_seconds_count{{{model}}}": 9,
        'smarter_config_loads_total{result="ok"}': 3,
        'smarter_config_loads_total{result="broken"}': 1,
        "smarter_usage_records_waiting": 0,
        "smarter_usage_records_lost_total": 0,
        "smarter_api_keys": 1,
        "smarter_event_loop_lag_seconds_count": 0,
    }


async def test_the_page_about_metrics_tells_what_is_exposed(tmp_path: Path) -> None:
    limits = LimitsConfig(requests_per_minute=0)
    priced = {"prices": {"gpt": (PRICE,)}}
    whole: dict[str, Any] = {"model": MODEL, "plugins": (plugin(),)}
    async with played(tmp_path, looks_up(), says("ok"), provider=priced, **whole) as (bot, _):
        await bot.chat("x")
        await bot.reload(config(providers=bot_providers(bot), limits=limits, **whole))
        assert (await bot.chat("x")).status == 429
        exposed = {family.name: family for family in families(await bot.metrics())}
    found = {_name(each): (each.type, _labels(each), each.documentation) for each in exposed.values()}
    assert dict(documented()) == found


async def test_what_clients_send_is_in_no_label(tmp_path: Path) -> None:
    hostile = "x-hostile-x"
    async with running(tmp_path, config(plugins=(plugin(),))) as bot:
        before = set(await series(bot))
        await bot.chat(hostile)
        usual = set(await series(bot))
        for fields in ({"model": hostile}, {hostile: 1}, {"user": hostile}, {"tools": [hostile]}):
            await bot.chat(hostile, **fields)
        for path in (f"/v1/{hostile}", f"/app/v1/{hostile}", f"/app/v1/conversations/{hostile}"):
            async with bot.http.get(f"{bot.url}{path}", headers={"Authorization": f"Bearer {hostile}"}):
                pass
        async with bot.http.request("PROPFIND", f"{bot.url}/v1/models", headers={"X-Request-ID": hostile}):
            pass
        text = await bot.metrics()
        after = set(await series(bot))
    assert hostile not in text and "PROPFIND" not in text
    assert before < usual < after
    # New are outcomes alone, each a constant of the program.
    assert {name.partition("{")[0] for name in after - usual} == {"smarter_requests_total"}


async def test_the_lag_of_a_process_is_measured(tmp_path: Path) -> None:
    write(tmp_path, config())
    async with process(tmp_path) as (_, _, status), aiohttp.ClientSession() as http:

        async def is_measured() -> bool:
            async with http.get(f"{status}/metrics") as response:
                return "smarter_event_loop_lag_seconds_count 0.0" not in await response.text()

        await until(is_measured)


async def series(bot: Running) -> Series:
    """Return the values, but for buckets and for what depends on the time or on the process."""
    samples = (sample for family in families(await bot.metrics()) for sample in family.samples)
    return {
        sample.name + _braces(sample.labels): sample.value
        for sample in samples
        if not sample.name.endswith(("_bucket", "_created", "_seconds_sum"))
    }


def families(text: str) -> Iterator[Metric]:
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("process_") and not family.name.endswith("_created"):
            yield family


def _braces(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{labels[name]}"' for name in sorted(labels)) + "}" if labels else ""


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> frozenset[str]:
    return frozenset(name for sample in family.samples for name in sample.labels) - {"le"}


def documented() -> Iterator[tuple[str, tuple[str, frozenset[str], str]]]:
    of_models = {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"`\w+`", cells[0]):
            labels = set(re.findall(r"`(\w+)`", cells[2])) | (of_models if "the three below" in cells[2] else set())
            yield cells[0].strip("`"), (cells[1], frozenset(labels), cells[3])
