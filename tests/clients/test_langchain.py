"""LangChain's `ChatOpenAI` against a bot, in both of OpenAI's formats."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from runtime.keys import TOKEN, key, put
from runtime.support import Reply, Running, call, calls, delta, lines, played, plugin, says
from runtime.test_streaming import answered

CITY = '{"city": "Rome"}'
KEY = '{"inquiry_type": "warranty"}'
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def model(bot: Running, *, responses: bool) -> ChatOpenAI:
    return ChatOpenAI(
        model="support",
        base_url=f"{bot.url}/v1",
        api_key=SecretStr(TOKEN),
        max_retries=0,
        stream_usage=not responses,
        use_responses_api=responses,
        temperature=0.3,
    )


def mixed() -> Reply:
    return calls(
        call(KEY, index=0, id_="call_ours", name="returns-policy"), call(CITY, index=1, id_="call_c", name="weather")
    )


async def collected(answering: Any) -> AIMessageChunk:
    whole: AIMessageChunk | None = None
    async for chunk in answering:
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


@pytest.mark.parametrize("responses", [False, True], ids=["chat-completions", "responses"])
async def test_streamed_calls_of_its_own_tools_are_put_together_and_answered(tmp_path: Path, responses: bool) -> None:
    put(tmp_path, key())
    async with played(tmp_path, mixed(), says("Sunny."), plugins=(plugin(),)) as (bot, script):
        chat = model(bot, responses=responses).bind_tools([WEATHER])
        history: list[BaseMessage] = [SystemMessage("Be kind."), HumanMessage("What is the weather?")]
        first = await collected(chat.astream(history))
        assert [(each["name"], each["args"]) for each in first.tool_calls] == [("weather", {"city": "Rome"})]
        history += [first, *(ToolMessage("sunny", tool_call_id=each["id"]) for each in first.tool_calls)]
        last = await chat.ainvoke(history)
    assert isinstance(last, AIMessage)
    assert last.text == "Sunny."
    assert last.usage_metadata is not None
    assert last.usage_metadata["total_tokens"] == 15
    assert script.bodies[0]["temperature"] == 0.3
    results = [each["content"] for each in script.bodies[1]["messages"] if each["role"] == "tool"]
    assert results == ["2 years", "sunny"]


async def test_a_stream_that_nobody_reads_on_lets_the_provider_go(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(lines(delta(content="and on "), done=False))
                await asyncio.sleep(0)
        except ConnectionError:
            gone.set()
            raise

    put(tmp_path, key())
    async with played(tmp_path, endless) as (bot, _):
        stream: Any = model(bot, responses=False).astream([HumanMessage("hi")])
        async with aclosing(stream) as chunks:
            async for _chunk in chunks:
                break
        await asyncio.wait_for(gone.wait(), 10)
        await asyncio.wait_for(answered(bot), 10)
