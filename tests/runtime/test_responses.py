"""Models behind OpenAI's Responses: what they are asked, what is read of their answers, what goes back to them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.responses_wire import answers, document, events, function_call, lines, message, reasoning
from runtime.support import Reply, Running, ScriptedProvider, played, plugin, stream
from smarter_crds.runtime_config import ModelConfig

RESPONSES = {"type": "OpenAI", "api": "Responses"}
KEY = '{"inquiry_type": "returns"}'
SAID = "Grüße, 退货!"
CALLED = (reasoning(), function_call(KEY))


@asynccontextmanager
async def asked(
    directory: Path, *replies: Reply, provider: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[Running, ScriptedProvider]]:
    async with played(directory, *replies, provider=RESPONSES | (provider or {}), **changes) as served:
        yield served


async def content(bot: Running, **fields: Any) -> str:
    response = await bot.chat("hi", **fields)
    found: str = (await response.json())["choices"][0]["message"]["content"]
    return found


def whole(body: dict[str, Any]) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return reply


def error(status: int, **fields: Any) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": "secret-of-the-provider", "type": "invalid_request_error"} | fields}
        return web.json_response(body, status=status)

    return reply


async def test_thoughts_and_calls_go_back_within_the_turn_and_nothing_is_stored(tmp_path: Path) -> None:
    replies = (answers(*CALLED), answers(message("14 days.")))
    model = ModelConfig(
        provider="main", name="gpt-6-luna", temperature=0.5, max_tokens=2048, top_p=1, reasoning_effort="Low"
    )
    async with (
        asked(tmp_path, *replies, plugins=(plugin(role="Be exact."),), model=model) as (bot, provider),
        bot.client() as client,
    ):
        answer = await client.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": "Boots?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in answer]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "14 days."
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens) == (20, 16, 10)
    first, second = provider.bodies
    assert first["input"] == [
        {"role": "system", "content": "You are the support assistant of Acme.\n\nBe exact."},
        {"role": "user", "content": "Boots?"},
        {"role": "system", "content": "Today is Saturday, 2026-03-14 (Europe/Madrid)."},
    ]
    output = second["input"].pop()
    assert second["input"] == [*first["input"], *CALLED]
    assert (output["type"], output["call_id"]) == ("function_call_output", "call_1")
    assert "14 days" in output["output"]
    tool = first.pop("tools")[0]
    assert (tool["type"], tool["name"], tool["strict"]) == ("function", "returns-policy", False)
    assert first.pop("safety_identifier")
    del first["input"]
    assert first == {
        "model": "gpt-6-luna", "stream": True, "store": False, "include": ["reasoning.encrypted_content"],
        "temperature": 0.5, "max_output_tokens": 2048, "top_p": 1, "reasoning": {"effort": "low"},
    }  # fmt: skip


async def test_what_is_not_set_is_not_sent(tmp_path: Path) -> None:
    async with asked(tmp_path, answers(message("a")), answers(message("b"))) as (bot, provider):
        await bot.chat("hi", seed=7, stop=["x"])
        await bot.chat("hi", max_tokens=5)
    known = {"model", "input", "stream", "store", "include", "safety_identifier"}
    assert set(provider.bodies[0]) == known
    # The API refuses a smaller limit.
    assert provider.bodies[1]["max_output_tokens"] == 16


BYTES = lines(*events(reasoning(), message(SAID)))
SILENT = [each for each in events(message(SAID)) if "delta" not in each]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(stream(*(BYTES[at : at + 1] for at in range(len(BYTES)))), id="split-at-every-byte"),
        pytest.param(
            stream(*(each + b": heartbeat\n\n" * each.endswith(b"\n\n") for each in BYTES.splitlines(keepends=True))),
            id="heartbeats",
        ),
        pytest.param(stream(BYTES + b"data: [DONE]\n\n"), id="done-at-the-end"),
        pytest.param(stream(lines(*SILENT)), id="whole-items-only"),
        pytest.param(stream(lines(SILENT[-1])), id="the-last-event-only"),
        pytest.param(stream(lines(*events(message(SAID))[:-1], SILENT[-1] | {"response": {}})), id="empty-last-event"),
        pytest.param(whole(document(reasoning(), message(SAID))), id="a-document"),
        pytest.param(answers(message(SAID, refusal=True)), id="a-refusal-is-text"),
    ],
)
async def test_answers_of_all_styles_are_read(tmp_path: Path, reply: Reply) -> None:
    async with asked(tmp_path, reply) as (bot, _):
        assert await content(bot) == SAID


async def test_a_comment_and_the_answer_are_two_paragraphs(tmp_path: Path) -> None:
    both = (message("Let me see."), message("14 days.", id_="msg_2"))
    async with asked(tmp_path, answers(*both)) as (bot, _):
        assert await content(bot) == "Let me see.\n\n14 days."


def without(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: not event["type"].endswith(name)


TWO = events(function_call(KEY, call_id="call_a"), function_call('{"inquiry_type": "warranty"}', call_id="call_b"))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(TWO, id="all-events"),
        pytest.param([*filter(without("arguments.delta"), TWO)], id="no-deltas"),
        pytest.param([*filter(without("item.done"), TWO)], id="deltas-only"),
        pytest.param(TWO[-1:], id="the-last-event-only"),
    ],
)
async def test_two_calls_at_once_are_put_together(tmp_path: Path, sent: list[dict[str, Any]]) -> None:
    replies = (stream(lines(*sent)), answers(message("ok")))
    async with asked(tmp_path, *replies, plugins=(plugin(),)) as (bot, provider):
        assert await content(bot) == "ok"
    outputs = [item for item in provider.bodies[1]["input"] if item.get("type") == "function_call_output"]
    assert [item["call_id"] for item in outputs] == ["call_a", "call_b"]
    assert "sneakers" in outputs[0]["output"]
    assert outputs[1]["output"] == "2 years"


async def test_arguments_that_are_no_json_are_told_to_the_model_and_not_sent_back(tmp_path: Path) -> None:
    replies = (answers(reasoning(), function_call('{"inq')), answers(message("sorry")))
    async with asked(tmp_path, *replies, plugins=(plugin(),)) as (bot, provider):
        assert await content(bot) == "sorry"
    *_, sent, output = provider.bodies[1]["input"]
    assert sent["arguments"] == "{}"
    assert "no JSON" in output["output"]


async def test_thoughts_that_were_not_handed_over_are_not_referred_to(tmp_path: Path) -> None:
    called = (reasoning(encrypted=None), message("Let me see."), function_call(KEY))
    async with asked(tmp_path, answers(*called), answers(message("ok")), plugins=(plugin(),)) as (bot, provider):
        assert await content(bot) == "Let me see.\n\nok"
    comment, sent, _ = provider.bodies[1]["input"][-3:]
    assert comment == {"role": "assistant", "content": "Let me see."}
    assert sent == {name: value for name, value in function_call(KEY).items() if name != "id"}


@pytest.mark.parametrize(
    ("why", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("else", "stop")]
)
async def test_an_answer_that_is_not_complete_says_why(tmp_path: Path, why: str, reason: str) -> None:
    reply = answers(message("Half of"), status="incomplete", incomplete_details={"reason": why})
    async with asked(tmp_path, reply) as (bot, _):
        response = await bot.chat("hi")
        choice = (await response.json())["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("Half of", reason)


def fails(code: str) -> Reply:
    failure = {"error": {"code": code, "message": "secret-of-the-provider"}, "status": "failed"}
    return stream(lines({"type": "response.failed", "response": document() | failure}))


@pytest.mark.parametrize(
    ("reply", "status", "code", "attempts"),
    [
        pytest.param(fails("server_error"), 502, "provider_unavailable", 3, id="failed"),
        pytest.param(fails("rate_limit_exceeded"), 503, "provider_rate_limited", 3, id="rate-limit"),
        pytest.param(fails("invalid_prompt"), 400, "content_filter", 1, id="prompt-refused"),
        pytest.param(
            stream(lines({"type": "error", "code": "server_error", "message": "x"})), 502, "provider_unavailable", 3,
            id="error-event",
        ),
        pytest.param(
            stream(lines({"type": "error", "error": {"code": "context_length_exceeded", "message": "x"}})),
            400, "context_length_exceeded", 1, id="too-long",
        ),
        pytest.param(
            whole(document(status="failed", error={"code": "x"})), 502, "provider_unavailable", 3, id="failed-document"
        ),
        pytest.param(stream(lines(*events(reasoning())[:-1])), 502, "provider_cut_answer", 3, id="cut"),
        pytest.param(whole({"id": "x"}), 502, "provider_bad_answer", 3, id="another-document"),
        pytest.param(error(401), 502, "provider_auth", 1, id="401"),
        pytest.param(error(400, code="content_filter"), 400, "content_filter", 1, id="filtered-by-azure"),
        pytest.param(error(500), 502, "provider_unavailable", 3, id="500"),
    ],
)  # fmt: skip
async def test_failures_are_told_by_what_they_are(
    tmp_path: Path, reply: Reply, status: int, code: str, attempts: int
) -> None:
    async with asked(tmp_path, *[reply] * attempts) as (bot, provider):
        response = await bot.chat("hi")
        body = await response.text()
        assert (response.status, json.loads(body)["error"]["code"]) == (status, code)
        assert len(provider.bodies) == attempts
    assert "secret-of-the-provider" not in body


async def test_azure_gets_its_own_header(tmp_path: Path) -> None:
    key = tmp_path / "secrets" / "key"
    key.parent.mkdir()
    key.write_text("azure-key")
    settings = {"type": "AzureOpenAI", "api_key_file": "key"}
    async with asked(tmp_path, answers(message("ok")), provider=settings) as (bot, provider):
        assert await content(bot) == "ok"
    assert provider.headers[0]["api-key"] == "azure-key"
    assert "Authorization" not in provider.headers[0]


async def test_other_servers_get_one_system_message_here_too(tmp_path: Path) -> None:
    async with asked(tmp_path, answers(message("ok")), provider={"type": "OpenAICompatible"}) as (bot, provider):
        await bot.chat("hi")
    assert [item["role"] for item in provider.bodies[0]["input"]] == ["system", "user"]
    assert "safety_identifier" not in provider.bodies[0]


async def test_a_model_that_does_not_reason_is_not_asked_for_its_thoughts_twice(tmp_path: Path) -> None:
    refusal = error(400, param="include", code=None)
    replies = (refusal, answers(message("ok")), answers(message("again")))
    async with asked(tmp_path, *replies) as (bot, provider):
        assert [await content(bot), await content(bot)] == ["ok", "again"]
    assert ["include" in body for body in provider.bodies] == [True, False, False]
