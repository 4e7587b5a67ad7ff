"""Built-in functions of a bot: offered every turn beside the plugins, counted like them, used by the demo model."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runtime.support import call, calls, config, played, plugin, running, says, write
from smarter_crds.runtime_config import FUNCTION_TOOLS, RuntimeConfig, config_hash, to_json
from smarter_runtime.bot import prepared

ALL: Any = tuple(FUNCTION_TOOLS)
NOW = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)


async def test_functions_are_offered_every_turn_sorted_with_the_other_tools(tmp_path: Path) -> None:
    plugins = (plugin("boots", "SearchTerms", ("boots",)), plugin("zoo"))
    said = ["Hello", "Do you have boots?", "Thanks"]
    async with played(tmp_path, *[says("ok")] * 3, plugins=plugins, functions=ALL) as (bot, provider):
        for number in range(len(said)):
            history = [{"role": "user", "content": text} for text in said[: number + 1]]
            assert (await bot.post({"messages": history})).status == 200
    functions = ["calculator", "date_calculator", "get_current_weather", "zoo"]
    offered = [[tool["function"]["name"] for tool in body["tools"]] for body in provider.bodies]
    assert offered == [functions, ["boots", *functions], ["boots", *functions]]


async def test_the_offers_do_not_change_from_request_to_request(tmp_path: Path) -> None:
    async with played(tmp_path, *[says("ok")] * 3, functions=ALL) as (bot, provider):
        for text in ("a", "b", "c"):
            await bot.chat(text)
    assert all(before["tools"] == after["tools"] for before, after in pairwise(provider.bodies))
    for tool in provider.bodies[0]["tools"]:
        parameters = tool["function"]["parameters"]
        assert (parameters["type"], parameters["additionalProperties"]) == ("object", False)
        assert set(parameters["required"]) <= set(parameters["properties"])


async def test_a_call_is_answered_and_counted(tmp_path: Path) -> None:
    both = calls(
        call('{"expression": "0.1 + 0.2"}', index=0, id_="a", name="calculator"),
        call('{"operation": "today"}', index=1, id_="b", name="date_calculator"),
        call('{"expression": "9**9**9"}', index=2, id_="c", name="calculator"),
    )
    async with played(tmp_path, both, says("ok"), functions=ALL) as (bot, provider):
        assert (await bot.chat("compute")).status == 200
        metrics = await bot.metrics()
    total, today, tower = [each["content"] for each in provider.bodies[1]["messages"] if each["role"] == "tool"]
    assert total == "0.3"
    assert json.loads(today) == {"date": "2026-03-14", "weekday": "Saturday", "time_zone": "Europe/Madrid"}
    assert tower == "A number in it is too large or too small to compute with."
    assert 'smarter_tool_calls_total{plugin="calculator",result="ok"} 1.0' in metrics
    assert 'smarter_tool_calls_total{plugin="calculator",result="error"} 1.0' in metrics
    assert 'smarter_tool_duration_seconds_count{plugin="date_calculator"} 1.0' in metrics


async def test_a_function_that_the_bot_does_not_have_does_not_exist(tmp_path: Path) -> None:
    asks = calls(call('{"expression": "1"}', id_="c", name="calculator"))
    async with played(tmp_path, asks, says("ok"), functions=("DateCalculator",)) as (bot, provider):
        await bot.chat("x")
        assert 'smarter_tool_calls_total{plugin="unknown",result="error"} 1.0' in await bot.metrics()
    [result] = [each["content"] for each in provider.bodies[1]["messages"] if each["role"] == "tool"]
    assert result == "There is no tool 'calculator'; there are ['date_calculator']."


def test_a_config_without_functions_is_written_as_it_was_before_there_were_any() -> None:
    document = to_json(config(functions=()))
    assert "functions" not in json.loads(document)
    assert RuntimeConfig.model_validate_json(document).functions == ()
    # The hash that this config had before the field came.
    assert config_hash(document) == "4baf1a3cbb7c5a06eeb992105fbb03026fb33298e03bc9b188cd8fa2720d00e1"


def test_functions_come_back_from_the_config() -> None:
    document = to_json(config(functions=ALL))
    assert RuntimeConfig.model_validate_json(document).functions == ALL


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        pytest.param("what is 12*7", "According to calculator: 84", id="product"),
        pytest.param("What's (1 + 2) * 3?", "According to calculator: 9", id="parentheses"),
        pytest.param("How much is 15% of 80?", "According to calculator: 12", id="percentage"),
        pytest.param("sqrt(2) =", "According to calculator: 1.4142135623730950488", id="function"),
        pytest.param("Calculate 1/0", "According to calculator: A division by zero has no result.", id="fault"),
        pytest.param(
            "How many days between 2026-03-01 and 2026-04-15?",
            "According to date_calculator: from: 2026-03-01; to: 2026-04-15; days: 45; in_weeks, weeks: 6; in_weeks, "
            "days: 3; in_months, years: 0; in_months, months: 1; in_months, days: 14; business_days: 33.",
            id="days-between",
        ),
        pytest.param(
            "Which day of the week is 1969-07-20?",
            "According to date_calculator: date: 1969-07-20; weekday: Sunday.",
            id="weekday",
        ),
        pytest.param(
            "What day is it today?",
            "According to date_calculator: date: 2026-03-14; weekday: Saturday; time_zone: Europe/Madrid.",
            id="today",
        ),
        pytest.param("What is the warranty?", "According to returns-policy (warranty): 2 years.", id="plugin"),
        pytest.param("What is 2026-03-01?", "I looked in", id="a-date-is-no-difference"),
        pytest.param("What is 5?", "According to returns-policy", id="a-number-alone"),
    ],
)
async def test_the_demo_model_asks_the_function_that_fits(tmp_path: Path, question: str, answer: str) -> None:
    async with running(tmp_path, config(plugins=(plugin(),), functions=("Calculator", "DateCalculator"))) as bot:
        response = await bot.chat(question)
        said: str = (await response.json())["choices"][0]["message"]["content"]
    assert said.startswith(answer)


def test_a_bot_without_functions_loads_nothing_for_them(tmp_path: Path) -> None:
    write(tmp_path, config(plugins=(plugin(),)))
    program = (
        "import sys; from smarter_runtime.settings import Settings; from smarter_runtime.services import services; "
        "import smarter_runtime.__main__, asyncio; "
        f"parts = services(Settings(config_directory={str(tmp_path)!r})); "
        "asyncio.run(parts.configs.refresh()); assert parts.bot(); "
        "print([name for name in ('dateutil', 'aiohttp', 'smarter_runtime.tools.arithmetic') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


async def test_the_demo_model_says_when_the_weather_cannot_be_had(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"weather_url": "http://127.0.0.1/", "weather_geocoding_url": "http://127.0.0.1/"}
    async with running(tmp_path, config(functions=("CurrentWeather",)), **settings) as bot:
        response = await bot.chat("What is the weather like in Paris, Texas?")
        said = (await response.json())["choices"][0]["message"]["content"]
    assert said == "According to get_current_weather: The weather service cannot be reached now."


async def test_the_demo_model_looks_into_a_plugin_that_is_named_like_a_function(tmp_path: Path) -> None:
    mine = plugin("calculator", data={"price": {"12*7": "is on sale"}})
    async with running(tmp_path, config(plugins=(mine,))) as bot:
        response = await bot.chat("what is 12*7")
        said = (await response.json())["choices"][0]["message"]["content"]
    assert said == "According to calculator (price): 12*7: is on sale."


def test_without_a_platform_there_is_no_weather() -> None:
    bot = prepared(config(functions=ALL), "0", NOW)
    assert bot.functions == {"calculator", "date_calculator"}
    assert [problem.reason for problem in bot.problems] == ["FunctionOff"]
