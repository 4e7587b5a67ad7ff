import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.support import call, calls, config, delta, lines, looks_up, played, plugin, running, says, scripted, stream
from smarter_crds.runtime_config import LimitsConfig, ModelOverrides
from smarter_runtime.events import ToolCall, ToolOffer, ToolResult
from smarter_runtime.tools import Arguments, Tool, Toolbox, ToolFailed

KEY = json.dumps({"inquiry_type": "returns"})


def tool_messages(body: dict[str, Any]) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == "tool"]


async def test_the_result_of_a_tool_reaches_the_model_and_nothing_of_it_the_client(tmp_path: Path) -> None:
    async with scripted(looks_up(), says("14 days.")) as provider:
        document = config(providers=provider.config(), plugins=(plugin(),))
        async with running(tmp_path, document) as bot, bot.client() as client:
            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="support",
                    messages=[{"role": "user", "content": "boots?"}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ]
    assert json.loads(tool_messages(provider.bodies[1])[0])["boots"]["window"] == "14 days"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices)
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (20, 10)


async def test_two_tools_at_once_are_both_answered_in_order(tmp_path: Path) -> None:
    two = calls(
        call(KEY, index=0, id_="call_a", name="returns-policy"),
        call('{"inquiry_type": "warranty"}', index=1, id_="call_b", name="returns-policy"),
    )
    async with played(tmp_path, two, says("done"), plugins=(plugin(),)) as (bot, provider):
        assert (await bot.chat("both")).status == 200
    answered = [message for message in provider.bodies[1]["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in answered] == ["call_a", "call_b"]
    assert answered[1]["content"] == "2 years"


async def test_tools_of_one_round_run_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def meet(arguments: Arguments) -> str:
        await both.wait()
        return "met"

    tool = Tool(offer=ToolOffer("meet", "", {}), check=lambda arguments: None, run=meet, max_characters=100)
    toolbox = Toolbox([tool])
    results = await asyncio.gather(*(toolbox.call(ToolCall(id_, "meet", "{}"), frozenset({"meet"})) for id_ in "ab"))
    assert [result.content for result in results] == ["met", "met"]


@pytest.mark.parametrize(
    ("arguments", "name", "fault"),
    [
        pytest.param("{", "returns-policy", "no JSON", id="no-json"),
        pytest.param("[1]", "returns-policy", "one JSON object", id="no-object"),
        pytest.param("{}", "returns-policy", "'inquiry_type' must be one of ['returns', 'warranty']", id="missing"),
        pytest.param('{"inquiry_type": "x"}', "returns-policy", "must be one of", id="not-in-the-enum"),
        pytest.param('{"inquiry_type": []}', "returns-policy", "must be one of", id="wrong-type"),
        pytest.param(
            '{"inquiry_type": "returns", "y": 1}', "returns-policy", "no parameter 'y'", id="unknown-parameter"
        ),
        pytest.param(KEY, "orders", "no tool 'orders'; there are ['returns-policy']", id="unknown-tool"),
    ],
)
async def test_a_wrong_call_is_told_to_the_model(tmp_path: Path, arguments: str, name: str, fault: str) -> None:
    async with played(tmp_path, calls(call(arguments, id_="c", name=name)), says("sorry"), plugins=(plugin(),)) as (
        bot,
        provider,
    ):
        response = await bot.chat("x")
        assert (await response.json())["choices"][0]["message"]["content"] == "sorry"
        assert f'plugin="{"unknown" if name == "orders" else name}",result="error"' in await bot.metrics()
    assert fault in tool_messages(provider.bodies[1])[0]
    # A server that reads the arguments of earlier calls must not stumble over them.
    sent = provider.bodies[1]["messages"][-2]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent), dict)


async def test_a_tool_of_a_plugin_that_is_not_selected_does_not_exist(tmp_path: Path) -> None:
    secret = plugin("secret-plans", "SearchTerms", ("plans",))
    async with played(tmp_path, looks_up("returns", "secret-plans"), says("no"), plugins=(plugin(), secret)) as (
        bot,
        provider,
    ):
        await bot.chat("hello")
    assert "There is no tool 'secret-plans'" in tool_messages(provider.bodies[1])[0]


async def test_after_the_last_allowed_call_the_model_must_answer(tmp_path: Path) -> None:
    async with scripted(looks_up(), looks_up(), says("enough")) as provider:
        limits = LimitsConfig(max_tool_calls_per_turn=2)
        async with running(tmp_path, config(providers=provider.config(), plugins=(plugin(),), limits=limits)) as bot:
            response = await bot.chat("x")
            assert (await response.json())["choices"][0]["message"]["content"] == "enough"
    assert [body.get("tool_choice") for body in provider.bodies] == [None, None, "none"]
    assert all(body["tools"] for body in provider.bodies)


async def test_calls_beyond_the_limit_of_a_round_are_refused_but_answered(tmp_path: Path) -> None:
    three = calls(*(call(KEY, index=number, id_=f"c{number}", name="returns-policy") for number in range(3)))
    async with scripted(three, says("ok")) as provider:
        limits = LimitsConfig(max_tool_calls_per_turn=2)
        async with running(tmp_path, config(providers=provider.config(), plugins=(plugin(),), limits=limits)) as bot:
            await bot.chat("x")
    results = tool_messages(provider.bodies[1])
    assert ["sneakers" in result for result in results] == [True, True, False]
    assert results[2].startswith("No more tool calls")


async def test_a_model_that_only_calls_tools_ends_as_an_error(tmp_path: Path) -> None:
    async with scripted(looks_up(), looks_up()) as provider:
        limits = LimitsConfig(max_tool_calls_per_turn=1)
        async with running(tmp_path, config(providers=provider.config(), plugins=(plugin(),), limits=limits)) as bot:
            response = await bot.chat("x")
            assert (response.status, (await response.json())["error"]["code"]) == (502, "model_gave_no_answer")


async def test_words_before_and_after_a_tool_call_are_two_paragraphs(tmp_path: Path) -> None:
    first = stream(
        lines(
            delta(content="Let me see."),
            delta(tool_calls=[call(KEY, id_="c", name="returns-policy")]),
            delta("tool_calls"),
        )
    )
    async with played(tmp_path, first, says("14 days."), plugins=(plugin(),)) as (bot, _):
        response = await bot.chat("x")
        assert (await response.json())["choices"][0]["message"]["content"] == "Let me see.\n\n14 days."


async def test_what_the_provider_added_to_its_message_goes_back_to_it(tmp_path: Path) -> None:
    signed = call(KEY, id_="c", name="returns-policy") | {"extra_content": {"google": {"thought_signature": "s"}}}
    first = stream(lines(delta(reasoning_content="Hm"), delta(reasoning_content="m."), delta(tool_calls=[signed])))
    async with played(tmp_path, first, says("ok"), plugins=(plugin(),)) as (bot, provider):
        response = await bot.chat("x")
    assert "Hmm." not in await response.text()
    sent = provider.bodies[1]["messages"][-2]
    assert sent["reasoning_content"] == "Hmm."
    assert sent["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


async def test_a_long_result_is_cut_where_the_model_can_see_it(tmp_path: Path) -> None:
    long = plugin(data={"all": "x" * 500}, max_characters=100)
    async with played(tmp_path, looks_up("all"), says("ok"), plugins=(long,)) as (bot, provider):
        await bot.chat("x")
    result = tool_messages(provider.bodies[1])[0]
    assert len(result) == 100
    assert result.endswith("… [cut: the result has 500 characters]")


async def test_a_tool_that_hangs_or_fails_answers_the_model() -> None:
    async def hang(arguments: Arguments) -> str:
        await asyncio.Event().wait()
        return ""

    async def fail(arguments: Arguments) -> str:
        raise ToolFailed("The shop is closed.")

    box = Toolbox(
        Tool(
            offer=ToolOffer(name, "", {}),
            check=lambda arguments: None,
            run=run,
            max_characters=99,
            timeout_seconds=0.01,
        )
        for name, run in (("hang", hang), ("fail", fail))
    )
    names = frozenset({"hang", "fail"})
    hung, failed = ToolCall("1", "hang", "{}"), ToolCall("2", "fail", "")
    assert await box.call(hung, names) == ToolResult(hung, "The tool 'hang' did not answer in time.", is_error=True)
    assert await box.call(failed, names) == ToolResult(failed, "The shop is closed.", is_error=True)


async def test_the_role_of_an_llm_plugin_joins_once_the_model_has_called_it(tmp_path: Path) -> None:
    asked = plugin(directive="Llm", role="Be brief.", model=ModelOverrides(name="other-model"))
    async with played(
        tmp_path, looks_up(), looks_up("warranty"), says("ok"), provider={"type": "OpenAI"}, plugins=(asked,)
    ) as (bot, provider):
        response = await bot.chat("x")
        assert (await response.json())["model"] == "demo"
    assert [json.dumps(body["messages"]).count("Be brief.") for body in provider.bodies] == [0, 1, 1]
    assert provider.bodies[1]["messages"][-1] == {"role": "system", "content": "Be brief."}
    assert [body["model"] for body in provider.bodies] == ["demo", "other-model", "other-model"]
    assert all(body["tools"] for body in provider.bodies)
