"""OpenAI's Responses as clients speak it to a bot; nothing is kept between requests."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from openai import APIError, AsyncOpenAI, BadRequestError
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from runtime.keys import TOKEN, key, put
from runtime.support import (
    Reply,
    Running,
    ScriptedProvider,
    call,
    calls,
    config,
    delta,
    lines,
    plugin,
    running,
    says,
    scripted,
    stream,
)
from smarter_crds.runtime_config import ModelConfig

CITY = '{"city": "Rome"}'
KEY = '{"inquiry_type": "warranty"}'
WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
HI = {"role": "user", "content": "hello"}


@asynccontextmanager
async def served(
    directory: Path, *replies: Reply, has_key: bool = True, heartbeat_seconds: float = 15, **changes: Any
) -> AsyncIterator[tuple[Running, ScriptedProvider, AsyncOpenAI]]:
    put(directory, key())
    async with scripted(*replies) as script:
        document = config(providers=script.config(), plugins=(plugin(),), **changes)
        async with running(directory, document, heartbeat_seconds=heartbeat_seconds) as bot:
            bot.token = TOKEN if has_key else bot.token
            async with bot.client() as client:
                yield bot, script, client


async def post(bot: Running, **body: Any) -> ClientResponse:
    headers = {"Authorization": f"Bearer {bot.token}"}
    response = await bot.http.post(f"{bot.url}/v1/responses", json={"input": "hello", **body}, headers=headers)
    await response.read()
    return response


async def error_of(bot: Running, **body: Any) -> tuple[int, str, str]:
    response = await post(bot, **body)
    error = (await response.json())["error"]
    assert error["message"].endswith(".")
    return response.status, error["code"], error["param"]


def mixed() -> Reply:
    return calls(
        call(KEY, index=0, id_="call_ours", name="returns-policy"), call(CITY, index=1, id_="call_c", name="weather")
    )


async def test_the_official_client_gets_an_answer(tmp_path: Path) -> None:
    async with served(tmp_path, says("Hello you.")) as (_, script, client):
        answer = await client.responses.create(model="support", input="hi", max_output_tokens=50, metadata={"a": "b"})
    assert answer.output_text == "Hello you."
    assert (answer.status, answer.model, answer.metadata) == ("completed", "demo", {})
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (10, 5, 15)
    assert script.bodies[0]["max_tokens"] == 50
    TypeAdapter(Response).validate_python(answer.model_dump())


async def test_the_official_client_streams_an_answer(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    rest = lines(delta(content="lo."), delta("stop"), {"choices": [], "usage": usage})
    more = asyncio.Event()

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="Hel"), done=False))
        # What comes at once goes on as one piece.
        await more.wait()
        await response.write(rest)
        return response

    kinds, texts = [], []
    async with (
        served(tmp_path, reply) as (_, _, client),
        client.responses.stream(model="support", input="hi") as events,
    ):
        async for event in events:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
                more.set()
        answer = await events.get_final_response()
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert (texts, answer.output_text) == (["Hel", "lo."], "Hello.")
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.cached_tokens == 4


async def test_every_event_is_as_published_and_numbered(tmp_path: Path) -> None:
    text = stream(lines(delta(content="Look."), delta(tool_calls=[call(CITY, id_="c", name="weather")]),
                        delta("tool_calls")))  # fmt: skip
    async with served(tmp_path, text) as (bot, _, _):
        raw = await (await post(bot, stream=True, tools=[WEATHER])).text()
    blocks = [block.split("\n") for block in raw.strip().split("\n\n")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in events:
        adapter.validate_python(event)
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message", "function_call"]


class Verdict(BaseModel):
    good: bool


async def test_the_official_client_parses_an_answer_into_a_type(tmp_path: Path) -> None:
    async with served(tmp_path, says('{"good": true}')) as (_, script, client):
        answer = await client.responses.parse(model="support", input="hi", text_format=Verdict)
    assert answer.output_parsed == Verdict(good=True)
    assert script.bodies[0]["response_format"]["json_schema"]["name"] == "Verdict"


async def test_instructions_are_context_of_the_caller(tmp_path: Path) -> None:
    async with served(tmp_path, says("ok")) as (_, script, client):
        answer = await client.responses.create(
            model="support",
            instructions="Be short.",
            input=[{"role": "developer", "content": "Ann asks."}, HI],  # type: ignore[list-item]
        )
    assert answer.instructions == "Be short."
    label = "[Context given by the caller of this API, who is not the chatbot's operator:]\n"
    head = f"You are the support assistant of Acme.\n\n{label}Be short.\n\n{label}Ann asks."
    assert [each["content"].split("\n\n[Note")[0] for each in script.bodies[0]["messages"]] == [head, "hello"]


@pytest.mark.parametrize("interleaved", [False, True], ids=["calls-then-results", "each-call-with-its-result"])
async def test_the_clients_tools_run_at_the_clients(tmp_path: Path, interleaved: bool) -> None:
    two = calls(
        call(KEY, index=0, id_="call_ours", name="returns-policy"),
        call(CITY, index=1, id_="call_a", name="weather"),
        call('{"city": "Oslo"}', index=2, id_="call_b", name="weather"),
    )
    async with served(tmp_path, two, says("Sunny.")) as (_, script, client):
        async with client.responses.stream(model="support", input="hi", tools=[WEATHER]) as events:
            first = await events.get_final_response()
        asked = [item for item in first.output if item.type == "function_call"]
        assert [item.arguments for item in asked] == [CITY, '{"city": "Oslo"}']
        results = [
            {"type": "function_call_output", "call_id": each.call_id, "output": each.arguments} for each in asked
        ]
        dumped = [each.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for each in asked]
        back = (
            [each for pair in zip(dumped, results, strict=True) for each in pair] if interleaved else dumped + results
        )
        history: Any = [HI, *back]
        second = await client.responses.create(model="support", input=history, tools=[WEATHER])
    assert second.output_text == "Sunny."
    messages = [(each["role"], each.get("tool_call_id", "")) for each in script.bodies[1]["messages"]]
    assert messages == [
        ("system", ""), ("user", ""), ("assistant", ""), ("tool", "call_ours"), ("tool", "call_a"), ("tool", "call_b"),
    ]  # fmt: skip


async def test_two_answers_of_one_turn_stay_two(tmp_path: Path) -> None:
    async with served(tmp_path, mixed(), mixed(), says("done")) as (_, script, client):
        history: list[Any] = [HI]
        for _ in range(2):
            answer = await client.responses.create(model="support", input=history, tools=[WEATHER])
            history += [item.model_dump(exclude_none=True) for item in answer.output]
            (asked,) = [item for item in answer.output if item.type == "function_call"]
            history.append({"type": "function_call_output", "call_id": asked.call_id, "output": "sunny"})
        await client.responses.create(model="support", input=history, tools=[WEATHER])
    roles = [each["role"] for each in script.bodies[2]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "tool"]


async def test_an_answer_can_be_sent_back_as_it_came(tmp_path: Path) -> None:
    async with served(tmp_path, says("One."), says("Two.")) as (_, script, client):
        history: list[Any] = [HI]
        first = await client.responses.create(model="support", input=history)
        history += [item.model_dump() for item in first.output]
        history += [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, HI]
        await client.responses.create(model="support", input=history)
    assert [each["role"] for each in script.bodies[1]["messages"]] == ["system", "user", "assistant", "user"]


async def test_visitors_may_use_it_too(tmp_path: Path) -> None:
    async with served(tmp_path, says("Hello."), has_key=False) as (bot, _, client):
        answer = await client.responses.create(model="demo", input=[{"role": "user", "content": "hi"}])
        assert answer.output_text == "Hello."
        assert await error_of(bot, instructions="x") == (403, "api_key_required", "instructions")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        pytest.param({"previous_response_id": "resp_1"}, 400, "unsupported_parameter", "previous_response_id", id="id"),
        pytest.param({"conversation": "conv_1"}, 400, "unsupported_parameter", "conversation", id="conversation"),
        pytest.param({"background": True}, 400, "unsupported_parameter", "background", id="background"),
        pytest.param({"include": ["file_search_call.results"]}, 400, "unsupported_parameter", "include", id="include"),
        pytest.param({"reasoning": {"effort": "low"}}, 400, "unsupported_parameter", "reasoning", id="reasoning"),
        pytest.param({"truncation": "disabled"}, 400, "unsupported_parameter", "truncation", id="truncation"),
        pytest.param({"prompt": {"id": "p"}}, 400, "unsupported_parameter", "prompt", id="prompt"),
        pytest.param({"messages": []}, 400, "unknown_parameter", "messages", id="a-field-of-the-other-api"),
        pytest.param({"model": "gpt-6"}, 404, "model_not_found", "model", id="another-model"),
        pytest.param({"input": []}, 400, "invalid_value", "input", id="no-items"),
        pytest.param({"input": ""}, 400, "invalid_value", "input[0].content", id="no-text"),
        pytest.param({"input": 5}, 400, "invalid_value", "input", id="a-number"),
        pytest.param({"input": [{"type": "reasoning"}]}, 400, "invalid_value", "input", id="reasoning-alone"),
        pytest.param({"input": [HI] * 501}, 400, "too_many_messages", "input", id="too-many-items"),
        pytest.param({"input": "x" * 8001}, 400, "prompt_too_long", "input[0].content", id="long-prompt"),
        pytest.param(
            {"input": [{"type": "item_reference", "id": "x"}]}, 400, "unsupported_content", "input[0].type",
            id="a-reference",
        ),
        pytest.param(
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example"}]}]}, 400,
            "unsupported_content", "input[0].content[0]", id="an-image",
        ),
        pytest.param({"input": [{"role": "tool", "content": "x"}]}, 400, "invalid_value", "input[0].role", id="a-role"),
        pytest.param({"input": [{**HI, "x": 1}]}, 400, "unknown_parameter", "input[0]", id="unknown-in-item"),
        pytest.param(
            {"input": [HI, {"type": "function_call_output", "call_id": "call_x", "output": "x"}]}, 400,
            "unknown_tool_call", "input[1]", id="a-result-of-nothing",
        ),
        pytest.param(
            {"input": [HI, {"type": "function_call", "call_id": "call_x", "name": "weather", "arguments": "{}"}, HI]},
            400, "unknown_tool_call", "input[1]", id="a-call-made-up",
        ),
        pytest.param({"tools": [{"type": "web_search"}]}, 400, "invalid_value", "tools[0].type", id="a-built-in-tool"),
        pytest.param(
            {"tool_choice": {"type": "function", "name": "x"}}, 400, "invalid_value", "tool_choice", id="choice"
        ),
        pytest.param({"text": {"verbosity": "low"}}, 400, "unknown_parameter", "text", id="verbosity"),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "schema": {}}}}, 400, "invalid_value", "text.format.name",
            id="a-schema-without-a-name",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_is_refused_with_a_sentence(
    tmp_path: Path, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    async with served(tmp_path) as (bot, _, _):
        assert await error_of(bot, **body) == (status, code, param)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"store": True, "user": "u", "prompt_cache_key": "k"}, id="overridden"),
        pytest.param({"include": ["reasoning.encrypted_content"], "truncation": "auto"}, id="what-agents-always-send"),
        pytest.param({"background": False, "reasoning": {}, "top_logprobs": 0, "include": []}, id="asks-for-nothing"),
        pytest.param({"previous_response_id": None, "text": {"format": {"type": "text"}}}, id="nulls-and-defaults"),
    ],
)
async def test_what_does_no_harm_is_accepted(tmp_path: Path, body: dict[str, Any]) -> None:
    async with served(tmp_path, says("ok")) as (bot, _, _):
        response = await post(bot, **body)
        assert (response.status, (await response.json())["store"]) == (200, False)


async def test_the_client_is_told_in_words_that_nothing_is_kept(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, _, client):
        with pytest.raises(BadRequestError, match="keeps nothing between requests"):
            await client.responses.create(model="support", input="hi", previous_response_id="resp_1")


async def test_an_answer_that_was_cut_is_incomplete(tmp_path: Path) -> None:
    long = stream(lines(delta(content="half"), delta("length")))
    async with served(tmp_path, long) as (_, _, client):
        answer = await client.responses.create(model="support", input="hi")
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_the_client_raises_what_went_wrong_in_the_middle(tmp_path: Path) -> None:
    half = stream(lines(delta(content="half"), {"error": {"code": "overloaded"}}, done=False))
    async with served(tmp_path, half) as (_, _, client):
        events = await client.responses.create(model="support", input="hi", stream=True)
        with pytest.raises(APIError, match="provider"):
            async for _event in events:
                pass


async def test_silence_is_filled_with_events_that_the_client_understands(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await go_on.wait()
        await response.write(lines(delta(content="at last"), delta("stop")))
        return response

    async with served(tmp_path, late, heartbeat_seconds=0.02) as (_, _, client):
        states = 0
        async with client.responses.stream(model="support", input="hi") as events:
            async for event in events:
                states += event.type == "response.in_progress"
                if states == 4:
                    go_on.set()
            answer = await events.get_final_response()
    assert answer.output_text == "at last"


async def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    empty = stream(lines(delta("stop")))
    async with (
        served(tmp_path, empty) as (_, _, client),
        client.responses.stream(model="support", input="hi") as events,
    ):
        answer = await events.get_final_response()
    assert [item.type for item in answer.output] == ["message"]


async def test_the_demo_answers_in_this_format_too(tmp_path: Path) -> None:
    document = config(model=ModelConfig(provider="main", name="demo"))
    async with running(tmp_path, document) as bot, bot.client() as client:
        answer = await client.responses.create(model="support", input="hi")
    assert answer.output_text.startswith("Hello! I am a demo model")
