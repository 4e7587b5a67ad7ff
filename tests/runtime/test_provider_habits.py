"""Habits of providers: parameters that a model refuses, ids that a server takes, ways to ask for a pause."""

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.published_schema import mistral_faults
from runtime.support import Reply, calls, played, plugin, says
from runtime.support import call as tool_call
from smarter_crds.runtime_config import ModelConfig
from smarter_runtime.models.dialects import call_id, dialect
from smarter_runtime.models.failures import status_failure

MODEL = ModelConfig(provider="main", name="m", temperature=0.5, top_p=0.9, max_tokens=100)
UNSUPPORTED = "unsupported_parameter"


def refuses_parameter(name: str, code: str | None = UNSUPPORTED) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": "x", "type": "invalid_request_error", "param": name, "code": code}}
        return web.json_response(body, status=400)

    return reply


async def test_what_a_model_refuses_is_left_out_from_then_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    replies = [refuses_parameter("temperature", "unsupported_value"), refuses_parameter("top_p"), says("a"), says("b")]
    async with played(tmp_path, *replies, model=MODEL) as (bot, provider):
        assert [(await bot.chat("hi")).status for _ in range(2)] == [200, 200]
        assert (await bot.status())["problems"] == []
    sent = [{"temperature", "top_p", "max_tokens"} & set(body) for body in provider.bodies]
    assert sent == [{"temperature", "top_p", "max_tokens"}, {"top_p", "max_tokens"}, {"max_tokens"}, {"max_tokens"}]
    told = [record.__dict__["parameter"] for record in caplog.records if "parameter" in record.__dict__]
    assert told == ["temperature", "top_p"]


async def test_a_limit_is_called_as_the_model_wants_it_and_never_left_out(tmp_path: Path) -> None:
    async with played(tmp_path, refuses_parameter("max_tokens"), says("ok"), model=MODEL) as (bot, provider):
        assert (await bot.chat("hi")).status == 200
    assert ("max_tokens" in provider.bodies[1], provider.bodies[1]["max_completion_tokens"]) == (False, 100)
    async with played(
        tmp_path / "b", refuses_parameter("max_completion_tokens"), provider={"type": "OpenAI"}, model=MODEL
    ) as (bot, provider):
        response = await bot.chat("hi")
        assert (await response.json())["error"]["code"] == "provider_rejected"
    assert len(provider.bodies) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("temperature", "invalid_type", id="another-fault"),
        pytest.param("seed", UNSUPPORTED, id="not-sent"),
        pytest.param("messages", UNSUPPORTED, id="not-optional"),
    ],
)
async def test_a_refusal_that_nothing_can_be_left_out_for_is_final(tmp_path: Path, name: str, code: str) -> None:
    async with played(tmp_path, refuses_parameter(name, code), model=MODEL) as (bot, provider):
        response = await bot.chat("hi")
        assert (await response.json())["error"]["code"] == "provider_rejected"
    assert len(provider.bodies) == 1


@pytest.mark.parametrize("ids", [("AbC123xyZ", "aaaaaaaa1"), ("call_1", "call_2"), ("", "")], ids=str)
async def test_mistral_gets_ids_of_nine_letters(tmp_path: Path, ids: tuple[str, str]) -> None:
    arguments = '{"inquiry_type": "returns"}'
    both = calls(*(tool_call(arguments, index=at, id_=id_, name="returns-policy") for at, id_ in enumerate(ids)))
    async with played(tmp_path, both, says("ok"), provider={"type": "Mistral"}, plugins=(plugin(),)) as (bot, provider):
        assert (await bot.chat("hi")).status == 200
    assert mistral_faults(provider.bodies[1]) == []
    sent = [each["tool_call_id"] for each in provider.bodies[1]["messages"] if each["role"] == "tool"]
    assert len(set(sent)) == 2
    assert sent[0] == ids[0] or not re.fullmatch("[A-Za-z0-9]{9}", ids[0])


@pytest.mark.parametrize("kind", ["OpenAI", "Mistral", "Groq"])
def test_ids_that_do_not_fit_stay_apart(kind: str) -> None:
    speech = dialect(kind)
    made = {call_id(f"call {number}", speech) for number in range(1000)}
    assert len(made) == 1000
    assert all(call_id(each, speech) == each for each in made)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({"Retry-After": "1", "retry-after-ms": "250"}, 0.25, id="milliseconds"),
        pytest.param(
            {"Retry-After": "Sat, 14 Mar 2026 12:00:30 GMT", "Date": "Sat, 14 Mar 2026 12:00:00 GMT"}, 30, id="date"
        ),
        pytest.param({"Retry-After": "Sat, 14 Mar 2026 12:00:30 GMT"}, None, id="date-without-clock"),
        pytest.param({"Retry-After": "-5"}, 0, id="negative"),
        pytest.param({"Retry-After": "1e9"}, 3600, id="for-ever"),
        pytest.param({"Retry-After": "nan"}, None, id="no-number"),
        pytest.param({"Retry-After": "soon"}, None, id="words"),
    ],
)
def test_a_pause_is_understood_however_it_is_asked_for(headers: dict[str, Any], seconds: float | None) -> None:
    assert status_failure(429, {}, headers).retry_after == seconds
