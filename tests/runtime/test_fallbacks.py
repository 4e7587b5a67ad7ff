"""Which model steps in for one that fails, and what it is given."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.published_schema import mistral_faults
from runtime.responses_wire import answers, function_call, message, reasoning
from runtime.support import (
    Reply,
    Running,
    ScriptedProvider,
    call,
    config,
    delta,
    lines,
    looks_up,
    plugin,
    refuses,
    running,
    says,
    scripted,
    stream,
)
from smarter_crds.runtime_config import ModelChoice, ModelConfig, ModelOverrides
from smarter_runtime.events import FailureKind, ModelFailed
from smarter_runtime.fallbacks import Attempts, RetryPolicy, Step

SECOND = ModelChoice(provider="other", name="second")
BUSY = refuses(429, headers={"Retry-After": "30"})


@asynccontextmanager
async def two_providers(
    directory: Path,
    main: Sequence[Reply],
    other: Sequence[Reply],
    *,
    fallbacks: Sequence[ModelChoice] = (SECOND,),
    types: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    **changes: Any,
) -> AsyncIterator[tuple[Running, ScriptedProvider, ScriptedProvider]]:
    """Serve a bot of the model `first` at one provider, with fallbacks at that one or the other."""
    async with AsyncExitStack() as stack:
        scripts = [await stack.enter_async_context(scripted(*replies)) for replies in (main, other)]
        configs = [
            script.config(name=name, **settings)["main"]
            for script, name, settings in zip(scripts, ("main", "other"), types, strict=True)
        ]
        document = config(
            model=ModelConfig(provider="main", name="first", temperature=0.5, top_p=0.9, fallbacks=tuple(fallbacks)),
            providers={each.name: each for each in configs},
            **changes,
        )
        yield await stack.enter_async_context(running(directory, document)), scripts[0], scripts[1]


async def test_the_fallback_has_parameters_of_its_own_and_the_answer_the_bots_name(tmp_path: Path) -> None:
    second = ModelChoice(provider="other", name="second", temperature=0, max_tokens=100, reasoning_effort="None")
    asked = plugin(model=ModelOverrides(temperature=1, name="preferred"))
    async with two_providers(tmp_path, [BUSY], [says("ok")], fallbacks=[second], plugins=(asked,)) as (bot, a, b):
        response = await bot.chat("hi", max_tokens=50)
        answer = await response.json()
        metrics = await bot.metrics()
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("first", "ok")
    assert (a.bodies[0]["model"], a.bodies[0]["temperature"]) == ("preferred", 1)
    names = ("model", "temperature", "max_tokens", "top_p", "reasoning_effort")
    assert [b.bodies[0].get(name) for name in names] == ["second", 0, 50, None, "none"]
    assert a.bodies[0]["messages"] == b.bodies[0]["messages"]
    # Which model answered is known by its configured name.
    failed = 'error_type="rate_limited",gen_ai_operation_name="chat",gen_ai_provider_name="openaicompatible",'
    assert f'duration_seconds_count{{{failed}gen_ai_request_model="preferred"}} 1.0' in metrics
    assert f'duration_seconds_count{{{failed.replace("rate_limited", "")}gen_ai_request_model="second"}} 1.0' in metrics


@pytest.mark.parametrize(
    ("replies", "attempts"),
    [
        pytest.param([BUSY], 1, id="long-pause"),
        pytest.param([refuses(429, headers={"Retry-After": "0"})] * 2, 2, id="short-pause-once"),
        pytest.param([refuses(500)] * 2, 2, id="500-once-more"),
        pytest.param([refuses(401)], 1, id="key-refused"),
        pytest.param([refuses(429, "insufficient_quota")], 1, id="no-credit"),
        pytest.param([refuses(404)], 1, id="no-such-model"),
        pytest.param([refuses(400, "context_length_exceeded")], 1, id="too-long-for-this-one"),
        pytest.param([stream(b"data: {oops\n\n")] * 2, 2, id="garbage"),
    ],
)
async def test_whatever_fails_first_the_fallback_answers(tmp_path: Path, replies: list[Reply], attempts: int) -> None:
    async with two_providers(tmp_path, replies, [says("ok")]) as (bot, main, _):
        response = await bot.chat("hi")
        assert (await response.json())["choices"][0]["message"]["content"] == "ok"
    assert len(main.bodies) == attempts


async def test_what_the_message_itself_is_refused_for_is_not_tried_elsewhere(tmp_path: Path) -> None:
    async with two_providers(tmp_path, [refuses(400, "content_filter")], []) as (bot, _, other):
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (400, "content_filter")
    assert other.bodies == []


async def test_a_provider_without_its_key_costs_no_attempt(tmp_path: Path) -> None:
    types: tuple[dict[str, Any], dict[str, Any]] = ({"api_key_file": "none"}, {})
    replies = [refuses(500), refuses(500), says("ok")]
    async with two_providers(tmp_path, [], replies, types=types) as (bot, _, other):
        assert (await bot.chat("hi")).status == 200
    assert len(other.bodies) == 3


async def test_results_of_tools_are_used_again_and_what_only_the_first_understands_is_left_out(tmp_path: Path) -> None:
    called = answers(reasoning(), function_call('{"inquiry_type": "returns"}', call_id="call_0"))
    types: tuple[dict[str, Any], dict[str, Any]] = ({"type": "OpenAI", "api": "Responses"}, {"type": "Mistral"})
    replies = [looks_up("warranty"), says("ok")]
    async with two_providers(tmp_path, [called, BUSY], replies, types=types, plugins=(plugin(),)) as (bot, main, other):
        response = await bot.chat("hi")
        assert (await response.json())["choices"][0]["message"]["content"] == "ok"
        assert 'plugin="returns-policy",result="ok"} 2.0' in await bot.metrics()
    assert "sealed" in json.dumps(main.bodies[1])
    assert "sealed" not in json.dumps(other.bodies)
    # Once it has stepped in it stays, and it gets ids that it takes.
    assert [body["model"] for body in other.bodies] == ["second", "second"]
    assert [fault for body in other.bodies for fault in mistral_faults(body)] == []
    first, second = [each["tool_call_id"] for each in other.bodies[1]["messages"] if each["role"] == "tool"]
    assert first != second


async def test_from_chat_completions_to_responses_it_goes_as_well(tmp_path: Path) -> None:
    long = call('{"inquiry_type": "returns"}', id_="call_" + "x" * 100, name="returns-policy")
    called = stream(lines(delta(reasoning_content="Hmm."), delta(tool_calls=[long]), delta("tool_calls")))
    types: tuple[dict[str, Any], dict[str, Any]] = ({}, {"type": "OpenAI", "api": "Responses"})
    async with two_providers(tmp_path, [called, BUSY], [answers(message("ok"))], types=types, plugins=(plugin(),)) as (
        bot,
        _,
        other,
    ):
        assert (await bot.chat("hi")).status == 200
    sent, output = other.bodies[0]["input"][-2:]
    assert sent["call_id"] == output["call_id"]
    assert len(sent["call_id"]) <= 40
    assert "Hmm." not in json.dumps(other.bodies)


async def test_once_a_word_is_out_nobody_steps_in(tmp_path: Path) -> None:
    half = stream(lines(delta(content="Half of it"), done=False))
    async with two_providers(tmp_path, [half], []) as (bot, _, other):
        response = await bot.chat("hi", stream=True)
        assert '"code":"provider_cut_answer"' in await response.text()
    first_round = stream(lines(delta(content="Let me see."), delta(tool_calls=[call("{}", id_="c", name="x")])))
    async with two_providers(tmp_path / "b", [first_round, BUSY], [], plugins=(plugin(),)) as (bot, _, other):
        response = await bot.chat("hi", stream=True)
        assert "provider_" in await response.text()
    assert other.bodies == []


THIRD = ModelChoice(provider="main", name="third")


def failure(kind: FailureKind, retry_after: float | None = None) -> ModelFailed:
    return ModelFailed(kind, "", retry_after=retry_after)


@pytest.mark.parametrize(
    ("fallbacks", "failures", "steps"),
    [
        pytest.param([], ["unavailable"] * 3, [Step(0.25), Step(0.5), None], id="none"),
        pytest.param([SECOND], ["unavailable"] * 3, [Step(0.25), Step(0, 0), None], id="one"),
        pytest.param([SECOND, THIRD], ["unavailable"] * 3, [Step(0, 0), Step(0, 1), None], id="two"),
        pytest.param([SECOND], ["timeout"] * 2, [Step(0, 0), None], id="silence-is-not-waited-for-twice"),
        pytest.param([THIRD, SECOND], ["auth"], [Step(0, 1)], id="not-at-a-provider-that-refuses-the-key"),
        pytest.param([THIRD], ["quota"], [None], id="only-at-a-provider-without-credit"),
        pytest.param([SECOND] * 3, ["key_missing"] * 4, [Step(0, 0), Step(0, 1), Step(0, 2), None], id="not-sent"),
        pytest.param([SECOND], ["parameter_refused"] * 3, [Step(0), Step(0), None], id="parameters"),
        pytest.param([SECOND], ["no_answer"], [None], id="only-tools"),
    ],
)
def test_at_most_three_requests_are_made_for_an_answer(
    fallbacks: list[ModelChoice], failures: list[FailureKind], steps: list[Step | None]
) -> None:
    attempts = Attempts(RetryPolicy(), fallbacks)
    providers = iter(["main"] + ["elsewhere"] * 9)
    assert [attempts.after(failure(kind), next(providers)) for kind in failures] == steps


@pytest.mark.parametrize(
    ("retry_after", "step"),
    [(None, Step(0.25)), (0, Step(0.25)), (1.5, Step(1.5)), (2, Step(2)), (2.1, None), (3600, None)],
)
def test_a_pause_that_is_asked_for_is_kept_or_nobody_asks_again(retry_after: float | None, step: Step | None) -> None:
    assert Attempts(RetryPolicy(), ()).after(failure("rate_limited", retry_after), "main") == step
