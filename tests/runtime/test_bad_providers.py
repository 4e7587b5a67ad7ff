"""Everything bad that a provider can do, in both of OpenAI's formats."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openai import APIError

from runtime import responses_wire as responses
from runtime import support as chat
from runtime.support import Reply, Running, ScriptedProvider, played, plugin, refuses, stream
from smarter_runtime.fallbacks import RetryPolicy

KEY = '{"inquiry_type": "returns"}'
SAID = "Grüße, 退货!"


@dataclass(frozen=True)
class Wire:
    """How one format says the same things."""

    provider: dict[str, Any]
    says: Callable[[str], bytes]
    calls: Callable[[Sequence[tuple[str, str]]], bytes]
    """Calls of tools by name and arguments, these letter by letter."""
    filler: dict[str, Any]
    """An event in which nothing is said."""
    outputs: Callable[[dict[str, Any]], list[str]]
    """What the tools' results are in a request."""


def _chat_calls(calls: Sequence[tuple[str, str]]) -> bytes:
    sent = []
    for index, (name, arguments) in enumerate(calls):
        sent.append(chat.delta(tool_calls=[chat.call(index=index, id_=f"call_{index}", name=name)]))
        sent += [chat.delta(tool_calls=[chat.call(letter, index=index)]) for letter in arguments]
    return chat.lines(*sent, chat.delta("tool_calls"), chat.USAGE)


def _responses_calls(calls: Sequence[tuple[str, str]]) -> bytes:
    items = [
        responses.function_call(arguments, call_id=f"call_{index}", name=name)
        for index, (name, arguments) in enumerate(calls)
    ]
    return responses.lines(*responses.events(responses.reasoning(), *items))


WIRES = {
    "ChatCompletions": Wire(
        provider={},
        says=lambda text: chat.lines(chat.delta(role="assistant"), chat.delta(content=text), chat.delta("stop")),
        calls=_chat_calls,
        filler=chat.delta(role="assistant"),
        outputs=lambda body: [each["content"] for each in body["messages"] if each["role"] == "tool"],
    ),
    "Responses": Wire(
        provider={"type": "OpenAI", "api": "Responses"},
        says=lambda text: responses.lines(*responses.events(responses.message(text))),
        calls=_responses_calls,
        filler={"type": "response.in_progress", "response": {}},
        outputs=lambda body: [each["output"] for each in body["input"] if each.get("type") == "function_call_output"],
    ),
}


@pytest.fixture(params=list(WIRES.values()), ids=list(WIRES))
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


@asynccontextmanager
async def asked(
    directory: Path, wire: Wire, *replies: Reply, **changes: Any
) -> AsyncIterator[tuple[Running, ScriptedProvider]]:
    async with played(directory, *replies, provider=wire.provider, **changes) as served:
        yield served


async def answer(bot: Running) -> str:
    """Ask as people do: by the SDK, streaming."""
    async with bot.client() as client:
        chunks = await client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


async def code(bot: Running) -> Any:
    with pytest.raises(APIError) as caught:
        await answer(bot)
    return caught.value.code


def sends(*pieces: bytes, content_type: str = "text/event-stream", then: asyncio.Event | None = None) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then:
            await then.wait()
        return response

    return reply


def beaten(text: bytes) -> list[bytes]:
    """Return `text` byte by byte, with a heartbeat wherever a line ends."""
    return [text[at : at + 1] + b": heartbeat\n" * (text[at : at + 1] == b"\n") for at in range(len(text))]


async def test_a_stream_split_at_every_byte_with_heartbeats_is_read(tmp_path: Path, wire: Wire) -> None:
    async with asked(tmp_path, wire, stream(*beaten(wire.says(SAID)))) as (bot, _):
        assert await answer(bot) == SAID


async def test_a_call_over_many_chunks_beside_another_beside_nonsense(tmp_path: Path, wire: Wire) -> None:
    long = '{"inquiry_type": "returns"' + " " * 30 + "}"
    called = [("returns-policy", long), ("returns-policy", '{"inq'), ("orders", KEY)]
    replies = (stream(wire.calls(called)), stream(wire.says("ok")))
    async with asked(tmp_path, wire, *replies, plugins=(plugin(),)) as (bot, provider):
        assert await answer(bot) == "ok"
    whole, broken, unknown = wire.outputs(provider.bodies[1])
    assert len(long) > 50
    assert "sneakers" in whole
    assert "no JSON" in broken
    assert "no tool 'orders'" in unknown


@pytest.mark.parametrize(
    ("replies", "told"),
    [
        pytest.param([refuses(429, headers={"Retry-After": "20"})], "provider_rate_limited", id="429-long-pause"),
        pytest.param([refuses(429, headers={"Retry-After": "0"})] * 3, "provider_rate_limited", id="429"),
        pytest.param([refuses(503)] * 3, "provider_unavailable", id="503"),
        pytest.param([sends(b"data: {oops\n\n")] * 3, "provider_bad_answer", id="garbage"),
        pytest.param(
            [sends(b"<html>Sign in</html>", content_type="text/html")] * 3, "provider_bad_answer", id="content-type"
        ),
        pytest.param([sends(b"data: " + b"x" * 10_000_000 + b"\n\n")] * 3, "provider_bad_answer", id="10-MB-chunk"),
        pytest.param([sends()] * 3, "provider_cut_answer", id="nothing"),
    ],
)
async def test_the_client_is_told_what_was_wrong(tmp_path: Path, wire: Wire, replies: list[Reply], told: str) -> None:
    async with asked(tmp_path, wire, *replies) as (bot, provider):
        assert await code(bot) == told
        assert len(provider.bodies) == len(replies)


async def test_a_stream_that_is_closed_in_the_middle_is_no_answer(tmp_path: Path, wire: Wire) -> None:
    half = wire.calls([("returns-policy", KEY)])[:-300]
    async with asked(tmp_path, wire, *[sends(half)] * 3, plugins=(plugin(),)) as (bot, provider):
        assert await code(bot) == "provider_cut_answer"
        assert len(provider.bodies) == 3


@pytest.mark.parametrize("begun", [0, 1], ids=["before-the-first-token", "between-chunks"])
async def test_silence_is_left(tmp_path: Path, wire: Wire, begun: int) -> None:
    never = asyncio.Event()
    reply = sends(*[f"data: {json.dumps(wire.filler)}\n\n".encode()] * begun, then=never)
    async with asked(tmp_path, wire, reply) as (bot, _):
        # The config counts in whole seconds; no test waits that long.
        object.__setattr__(bot.services.bot().config.providers["main"], "timeout_seconds", 0.05)
        assert await code(bot) == "provider_timeout"


async def test_a_stream_without_end_is_ended_by_its_size(tmp_path: Path, wire: Wire) -> None:
    large = f"data: {json.dumps(wire.filler | {'padding': 'x' * 2_000_000})}\n\n".encode()
    async with asked(tmp_path, wire, sends(*[large] * 40)) as (bot, _):
        bot.services.retry = RetryPolicy(max_attempts=1)
        assert await code(bot) == "provider_bad_answer"
