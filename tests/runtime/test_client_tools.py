"""Turns in which the model calls tools of the client's, and some of ours beside them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from runtime.keys import TOKEN, key, put
from runtime.support import (
    NOW,
    Reply,
    Running,
    ScriptedProvider,
    call,
    calls,
    config,
    delta,
    lines,
    looks_up,
    plugin,
    running,
    says,
    scripted,
    stream,
)
from smarter_crds.runtime_config import LimitsConfig
from smarter_runtime.call_ids import CallId, CallIds
from smarter_runtime.errors import ApiError
from smarter_runtime.events import HandOver, Message, ToolCall
from smarter_runtime.signing_key import SigningKey
from smarter_runtime.unfinished import UnfinishedTurns

QUESTION = {"role": "user", "content": "Can I return boots in Rome, and what is the weather there?"}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CITY = '{"city": "Rome"}'
KEY = '{"inquiry_type": "warranty"}'
OTHER_TOKEN = "smarter_" + "b" * 43


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def served(
    directory: Path, *replies: Reply, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[tuple[Running, ScriptedProvider]]:
    put(directory, key(), key(OTHER_TOKEN, "other"))
    async with scripted(*replies) as script:
        document = config(providers=script.config(**changes.pop("provider", {})), plugins=(plugin(),), **changes)
        async with running(directory, document, clock or Clock()) as bot:
            bot.token = TOKEN
            yield bot, script


def mixed() -> Reply:
    """Ask for one tool of ours and one of the client's."""
    return calls(
        call(KEY, index=0, id_="call_ours", name="returns-policy"), call(CITY, index=1, id_="call_c", name="weather")
    )


async def asked(bot: Running, *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    response = await bot.chat(messages=[QUESTION, *more], tools=[WEATHER], **fields)
    body: dict[str, Any] = await response.json()
    assert response.status == 200, body
    return body


def turn(body: dict[str, Any], result: str = "sunny") -> list[dict[str, Any]]:
    """Return what a client adds to the conversation when it has run its tools."""
    message = body["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": each["id"], "content": result} for each in message["tool_calls"]]
    return [message, *results]


def told(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the messages as (role, what was called or said), without the ones of the system."""
    messages = [message for message in body["messages"] if message["role"] != "system"]
    return [
        (each["role"], [call["id"] for call in each["tool_calls"]] if each.get("tool_calls") else each["content"])
        for each in messages
    ]


async def test_the_client_gets_only_its_own_calls_and_ours_are_put_back_when_it_answers(tmp_path: Path) -> None:
    async with served(tmp_path, mixed(), says("Yes, and sunny.")) as (bot, script):
        first = await asked(bot)
        choice = first["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        function = {"name": "weather", "arguments": CITY}
        own = [each | {"id": ""} for each in choice["message"]["tool_calls"]]
        assert own == [{"id": "", "type": "function", "function": function}]
        second = await asked(bot, *turn(first))
    assert second["choices"][0]["message"]["content"] == "Yes, and sunny."
    assert second["id"] != first["id"]
    question = f"{QUESTION['content']}\n\n[Note of this chatbot's operator, not of the user: Today is Saturday, " + (
        "2026-03-14 (Europe/Madrid).]"
    )
    assert told(script.bodies[1]) == [
        ("user", question),
        ("assistant", ["call_ours", "call_c"]),
        ("tool", "2 years"),
        ("tool", "sunny"),
    ]
    # What the provider has cached of the first request is the beginning of the second.
    before = script.bodies[0]["messages"]
    assert script.bodies[1]["messages"][: len(before)] == before
    assert [each["tool_call_id"] for each in script.bodies[1]["messages"][-2:]] == ["call_ours", "call_c"]


async def test_rounds_of_our_own_tools_before_are_put_back_too(tmp_path: Path) -> None:
    replies = (looks_up(), calls(call(CITY, id_="call_c", name="weather")), says("done"))
    async with served(tmp_path, *replies) as (bot, script):
        await asked(bot, *turn(await asked(bot)))
    assert [role for role, _ in told(script.bodies[2])] == ["user", "assistant", "tool", "assistant", "tool"]


async def test_what_the_model_said_before_it_called_is_shown(tmp_path: Path) -> None:
    comment = stream(lines(delta(content="Let me look."), delta(tool_calls=[call(CITY, id_="c", name="weather")]),
                           delta("tool_calls")))  # fmt: skip
    async with served(tmp_path, comment) as (bot, _):
        body = await asked(bot)
    assert body["choices"][0]["message"]["content"] == "Let me look."


async def test_the_official_sdk_puts_streamed_calls_together(tmp_path: Path) -> None:
    two = calls(
        call(CITY, index=0, id_="call_a", name="weather"), call('{"city": "Oslo"}', index=1, id_="b", name="weather")
    )
    async with served(tmp_path, two, says("sunny")) as (bot, script), bot.client() as client:
        messages: list[Any] = [QUESTION]
        async with client.chat.completions.stream(model="support", messages=messages, tools=[WEATHER]) as answer:
            completion = await answer.get_final_completion()
        message = completion.choices[0].message
        assert completion.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls is not None
        assert [each.function.arguments for each in message.tool_calls] == [CITY, '{"city": "Oslo"}']
        messages.append(message.model_dump(exclude_none=True))
        messages += [
            {"role": "tool", "tool_call_id": each.id, "content": f"weather {number}"}
            for number, each in enumerate(message.tool_calls)
        ]
        last = await client.chat.completions.create(model="support", messages=messages, tools=[WEATHER])
        assert last.choices[0].message.content == "sunny"
    assert told(script.bodies[1])[1:] == [
        ("assistant", ["call_a", "b"]), ("tool", "weather 0"), ("tool", "weather 1")
    ]  # fmt: skip


async def test_streamed_calls_have_an_index_an_id_a_name_and_arguments(tmp_path: Path) -> None:
    async with served(tmp_path, mixed()) as (bot, _):
        text = await (await bot.chat(messages=[QUESTION], tools=[WEATHER], stream=True)).text()
    events = [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n")[:-2]]
    deltas = [event["choices"][0]["delta"] for event in events]
    id_ = deltas[1]["tool_calls"][0].pop("id")
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"tool_calls": [{"index": 0, "type": "function", "function": {"name": "weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": CITY}}]},
        {},
    ]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert len(id_) == 40
    assert "returns-policy" not in text


async def test_after_ten_minutes_the_turn_cannot_go_on(tmp_path: Path) -> None:
    clock = Clock()
    async with served(tmp_path, mixed(), says("in time"), clock=clock) as (bot, _):
        first = await asked(bot)
        clock.now += timedelta(minutes=9, seconds=59)
        assert (await asked(bot, *turn(first)))["choices"][0]["message"]["content"] == "in time"
        clock.now += timedelta(seconds=1)
        response = await bot.chat(messages=[QUESTION, *turn(first)], tools=[WEATHER])
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (400, "turn_expired", "messages[1]")
    assert "ask the question again" in error["message"]


async def test_a_turn_that_is_over_can_be_told_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    async with served(tmp_path, mixed(), says("sunny"), says("bye"), clock=clock) as (bot, script):
        first = await asked(bot)
        history = [*turn(first), (await asked(bot, *turn(first)))["choices"][0]["message"]]
        clock.now += timedelta(hours=1)
        await asked(bot, *history, {"role": "user", "content": "Thanks."})
    own = history[0]["tool_calls"][0]["id"]
    assert [(role, said) for role, said in told(script.bodies[2])][1:4] == [
        ("assistant", [own]), ("tool", "sunny"), ("assistant", "sunny")
    ]  # fmt: skip


async def test_a_turn_without_our_own_tools_waits_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    async with served(tmp_path, calls(call(CITY, id_="c", name="weather")), says("sunny"), clock=clock) as (bot, _):
        first = await asked(bot)
        clock.now += timedelta(hours=1)
        assert (await asked(bot, *turn(first)))["choices"][0]["message"]["content"] == "sunny"


def changed(body: dict[str, Any], **function: str) -> list[dict[str, Any]]:
    message, result = turn(body)
    made_up = message["tool_calls"][0]
    return [{**message, "tool_calls": [{**made_up, "function": {**made_up["function"], **function}}]}, result]


def renamed(body: dict[str, Any]) -> list[dict[str, Any]]:
    message, result = turn(body)
    id_ = message["tool_calls"][0]["id"]
    other = id_[:-1] + ("A" if id_[-1] != "A" else "E")
    return [{**message, "tool_calls": [{**message["tool_calls"][0], "id": other}]}, result | {"tool_call_id": other}]


@pytest.mark.parametrize(
    ("history", "code", "param"),
    [
        pytest.param(lambda body: changed(body, name="returns-policy"), "unknown_tool_call",
                     "messages[1].tool_calls[0]", id="a-result-of-ours-made-up"),
        pytest.param(renamed, "unknown_tool_call", "messages[1].tool_calls[0]", id="an-id-made-up"),
        pytest.param(lambda body: turn(body)[1:], "unknown_tool_call", "messages[1]", id="a-result-of-nothing"),
        pytest.param(lambda body: [*turn(body), turn(body)[1]], "unknown_tool_call", "messages[3]", id="two-results"),
        pytest.param(lambda body: [turn(body)[0], QUESTION], "missing_tool_result", "messages[2]", id="no-result"),
    ],
)  # fmt: skip
async def test_calls_that_we_did_not_issue_are_refused(tmp_path: Path, history: Any, code: str, param: str) -> None:
    async with served(tmp_path, mixed()) as (bot, _):
        response = await bot.chat(messages=[QUESTION, *history(await asked(bot))], tools=[WEATHER])
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize("others", ["key", "visitor"])
async def test_nobody_else_can_go_on_with_a_turn(tmp_path: Path, others: str) -> None:
    async with served(tmp_path, mixed()) as (bot, _):
        first = await asked(bot)
        bot.token = OTHER_TOKEN if others == "key" else await bot.session()
        response = await bot.chat(messages=[QUESTION, *turn(first)])
        assert (response.status, (await response.json())["error"]["code"]) == (400, "unknown_tool_call")


async def test_calls_of_two_answers_cannot_be_mixed(tmp_path: Path) -> None:
    async with served(tmp_path, mixed(), mixed()) as (bot, _):
        (one, first), (other, second) = turn(await asked(bot)), turn(await asked(bot))
        both = {**one, "tool_calls": [*one["tool_calls"], *other["tool_calls"]]}
        response = await bot.chat(messages=[QUESTION, both, first, second], tools=[WEATHER])
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "unknown_tool_call")


async def test_all_calls_of_an_answer_come_back_together(tmp_path: Path) -> None:
    two = calls(call(CITY, index=0, id_="a", name="weather"), call(CITY, index=1, id_="b", name="weather"))
    async with served(tmp_path, two) as (bot, _):
        message, first, _ = turn(await asked(bot))
        half = {**message, "tool_calls": message["tool_calls"][:1]}
        response = await bot.chat(messages=[QUESTION, half, first], tools=[WEATHER])
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, "missing_tool_result")


async def test_our_own_tools_are_bounded_over_the_whole_turn(tmp_path: Path) -> None:
    limits = LimitsConfig(max_tool_calls_per_turn=1)
    async with served(tmp_path, mixed(), mixed(), says("enough"), limits=limits) as (bot, script):
        second = await asked(bot, *(first := turn(await asked(bot))))
        await asked(bot, *first, *turn(second))
    refusal = "No more tool calls are possible in this answer; answer with what you have."
    assert told(script.bodies[2])[-2:] == [("tool", refusal), ("tool", "sunny")]
    assert [body.get("tool_choice") for body in script.bodies] == [None, None, "none"]


async def test_a_role_that_joins_by_a_call_of_ours_follows_all_results(tmp_path: Path) -> None:
    policy = plugin(directive="Llm", role="Be exact.")
    put(tmp_path, key())
    async with scripted(mixed(), says("done")) as script:
        provider = script.config(type="OpenAI")
        async with running(tmp_path, config(providers=provider, plugins=(policy,))) as bot:
            bot.token = TOKEN
            await asked(bot, *turn(await asked(bot)))
    assert [each["role"] for each in script.bodies[1]["messages"][-4:]] == ["assistant", "tool", "tool", "system"]
    assert script.bodies[1]["messages"][-1]["content"] == "Be exact."


async def test_what_the_provider_wants_back_within_a_turn_goes_back(tmp_path: Path) -> None:
    signed = call(CITY, id_="c", name="weather") | {"extra_content": {"signature": "sig"}}
    async with served(tmp_path, calls(signed), says("sunny")) as (bot, script):
        await asked(bot, *turn(await asked(bot)))
    sent = next(each for each in script.bodies[1]["messages"] if each["role"] == "assistant")
    assert sent["tool_calls"][0]["extra_content"] == {"signature": "sig"}


async def test_more_calls_than_a_client_can_take_are_no_answer(tmp_path: Path) -> None:
    many = calls(*(call(CITY, index=number, id_=f"c{number}", name="weather") for number in range(129)))
    async with served(tmp_path, many) as (bot, _):
        response = await bot.chat(messages=[QUESTION], tools=[WEATHER])
        assert (response.status, (await response.json())["error"]["code"]) == (502, "provider_bad_answer")


def waiting(text: str) -> HandOver:
    calls_ = (ToolCall("c", "weather", CITY),)
    messages = (Message("assistant", text, calls_), Message("tool", text, tool_call_id="x"))
    return HandOver(calls=calls_, messages=messages, roles=(), called=frozenset(), calls_left=1, used_ours=True)


def test_what_waits_is_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    turns = UnfinishedTurns(CallIds(SigningKey(tmp_path)), lambda: NOW, max_characters=120)
    kept = [turns.keep(waiting(letter * 20), "owner")[0] for letter in "abc"]
    assert [found(turns, each) for each in kept] == ["turn_expired", "b" * 20, "c" * 20]


def found(turns: UnfinishedTurns, call_: ToolCall) -> str:
    """Return the text that was kept of a turn, or why there is none."""
    result = Message("tool", "r", tool_call_id=call_.id)
    history = [Message("user", "x"), Message("assistant", "", (call_,)), result]
    try:
        return turns.resumed(history, ["question", "call", "result"], "owner").messages[1].text
    except ApiError as error:
        return error.code


def test_an_id_says_what_it_was_given_for_and_nothing_to_others(tmp_path: Path) -> None:
    ids, id_ = CallIds(SigningKey(tmp_path)), CallId("0a" * 9, 127, True)
    text = ids.write(id_, "weather", "owner")
    assert ids.read(text, "weather", "owner") == id_
    assert [
        ids.read(text, "clock", "owner"),
        ids.read(text, "weather", "another"),
        CallIds(SigningKey(tmp_path)).read(text, "weather", "owner"),
        ids.read(text[:-1], "weather", "owner"),
        ids.read(f"{text}é", "weather", "owner"),
        ids.read("", "weather", "owner"),
    ] == [None] * 6


async def test_every_byte_of_an_id_counts(tmp_path: Path) -> None:
    ids = CallIds(SigningKey(tmp_path))
    text = ids.write(CallId("0a" * 9, 0, False), "weather", "owner")
    for position in range(len("call_"), len(text)):
        other = text[:position] + ("B" if text[position] != "B" else "C") + text[position + 1 :]
        assert ids.read(other, "weather", "owner") is None, position


async def test_the_sdk_reads_an_answer_with_calls_that_is_no_stream(tmp_path: Path) -> None:
    async with served(tmp_path, mixed()) as (bot, _):
        client: AsyncOpenAI
        async with bot.client() as client:
            messages: Any = [QUESTION]
            answer = await client.chat.completions.create(model="support", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.tool_calls is not None
    assert [each.type for each in answer.choices[0].message.tool_calls] == ["function"]
