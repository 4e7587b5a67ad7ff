"""What a provider can do wrong, and what a client is told."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from runtime.support import (
    USAGE,
    Reply,
    call,
    config,
    delta,
    lines,
    looks_up,
    played,
    plugin,
    refuses,
    running,
    says,
    scripted,
    stream,
)
from smarter_crds.runtime_config import ModelConfig, ProviderConfig

ANSWER = lines(
    delta(role="assistant", content=""), delta(content="Grüße, 退货"), delta(content="!"), delta("stop"), USAGE
)
WHOLE_ANSWER = {"choices": [{"message": {"content": "Grüße, 退货!"}, "finish_reason": "stop"}], "usage": {}}
CRLF = ANSWER.replace(b"\n", b"\r\n")


def document(body: object, status: int = 200) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return reply


def stalls(*pieces: bytes) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        await asyncio.Event().wait()
        return response

    return reply


def breaks_off(*pieces: bytes) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        assert request.transport is not None
        request.transport.close()
        return response

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(stream(*(ANSWER[at : at + 1] for at in range(len(ANSWER)))), id="split-at-every-byte"),
        pytest.param(stream(*(CRLF[at : at + 1] for at in range(len(CRLF)))), id="crlf-split-at-every-byte"),
        pytest.param(stream(b": hi\n\nretry: 3\nid: 1\n" + ANSWER.replace(b"\n\n", b"\n\n: ping\n\n")), id="comments"),
        pytest.param(stream(b"\xef\xbb\xbf" + ANSWER), id="byte-order-mark"),
        pytest.param(stream(ANSWER.replace(b"data: ", b"data:")), id="no-blank-after-the-colon"),
        pytest.param(stream(ANSWER.replace(b'{"choices"', b'{\ndata: "choices"')), id="data-over-several-lines"),
        pytest.param(stream(ANSWER.removesuffix(b"\n\n")), id="no-blank-line-at-the-end"),
        pytest.param(stream(ANSWER.replace(b"data: [DONE]\n\n", b"")), id="no-done"),
        pytest.param(stream(lines(delta(content="Grüße, 退货!"), USAGE)), id="no-finish-reason"),
        pytest.param(document(WHOLE_ANSWER), id="a-document-instead-of-a-stream"),
        pytest.param(
            stream(lines(delta(content=[{"type": "text", "text": "Grüße, "}]), delta(content="退货!"), delta("stop"))),
            id="content-in-parts",
        ),
        pytest.param(stream(lines(delta(refusal="Grüße, 退货!"), delta("stop"))), id="a-refusal-is-text"),
    ],
)  # fmt: skip
async def test_streams_of_all_styles_are_read(tmp_path: Path, reply: Reply) -> None:
    async with played(tmp_path, reply) as (bot, _):
        response = await bot.chat("hi")
        assert (await response.json())["choices"][0]["message"]["content"] == "Grüße, 退货!"


ARGUMENTS = ['{"inq', 'uiry_type": "ret', 'urns"}']
SPLIT = [call(ARGUMENTS[0], id_="c1", name="returns-policy"), call(ARGUMENTS[1]), call(ARGUMENTS[2])]
WHOLE = "".join(ARGUMENTS)


@pytest.mark.parametrize(
    ("tool_calls", "count"),
    [
        pytest.param(SPLIT, 1, id="split-over-chunks"),
        pytest.param([each | {"index": 0, "id": "c1"} for each in SPLIT], 1, id="id-in-every-chunk"),
        pytest.param([each | {"index": None} for each in SPLIT], 1, id="no-index"),
        pytest.param([call(WHOLE, index=None, id_=each, name="returns-policy") for each in "ab"], 2, id="two-no-index"),
        pytest.param([call(WHOLE, index=None, name="returns-policy")] * 2, 2, id="two-no-index-no-id"),
        pytest.param([call(WHOLE, index=0, id_=id_, name="returns-policy") for id_ in "ab"], 2, id="all-have-index-0"),
        pytest.param([call(WHOLE, index=number, name="returns-policy") for number in (0, 1)], 2, id="no-ids"),
        pytest.param(
            [{"index": 0, "id": "c", "function": {"name": "returns-policy", "arguments": json.loads(WHOLE)}}], 1,
            id="arguments-as-an-object",
        ),
        pytest.param(
            [call(part, id_="c1", name="returns-policy") for part in ARGUMENTS], 1, id="name-in-every-chunk",
        ),
    ],
)  # fmt: skip
async def test_tool_calls_of_all_styles_are_put_together(
    tmp_path: Path, tool_calls: list[dict[str, object]], count: int
) -> None:
    first = stream(lines(*(delta(tool_calls=[each]) for each in tool_calls), delta("tool_calls")))
    async with played(tmp_path, first, says("ok"), plugins=(plugin(),)) as (bot, provider):
        assert (await bot.chat("x")).status == 200
    messages = provider.bodies[1]["messages"]
    answers = [message for message in messages if message["role"] == "tool"]
    assert ["sneakers" in answer["content"] for answer in answers] == [True] * count
    ids = [each["id"] for message in messages for each in message.get("tool_calls", [])]
    assert [answer["tool_call_id"] for answer in answers] == ids
    assert len(set(ids)) == count


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        pytest.param(refuses(401), 502, "provider_auth", id="401"),
        pytest.param(refuses(403), 502, "provider_auth", id="403"),
        pytest.param(refuses(400, "unsupported_value"), 502, "provider_rejected", id="400"),
        pytest.param(refuses(404), 502, "provider_rejected", id="404"),
        pytest.param(refuses(302, headers={"Location": "http://127.0.0.1/"}), 502, "provider_rejected", id="redirect"),
        pytest.param(refuses(400, "context_length_exceeded"), 400, "context_length_exceeded", id="too-long"),
        pytest.param(refuses(429, "insufficient_quota"), 503, "provider_quota", id="no-credit"),
    ],
)
async def test_what_asking_again_cannot_heal_is_not_asked_again(
    tmp_path: Path, reply: Reply, status: int, code: str
) -> None:
    async with played(tmp_path, reply) as (bot, provider):
        response = await bot.chat("hi")
        body = await response.text()
        assert (response.status, json.loads(body)["error"]["code"]) == (status, code)
        assert response.headers["x-should-retry"] == "false"
        assert len(provider.bodies) == 1
    assert "secret-of-the-provider" not in body


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        pytest.param(refuses(500), 502, "provider_unavailable", id="500"),
        pytest.param(refuses(529), 502, "provider_unavailable", id="529"),
        pytest.param(refuses(429, headers={"Retry-After": "0"}), 503, "provider_rate_limited", id="429"),
        pytest.param(stream(b"data: {oops\n\n"), 502, "provider_bad_answer", id="garbage"),
        pytest.param(stream(b"data: [1]\n\n"), 502, "provider_bad_answer", id="a-chunk-that-is-no-object"),
        pytest.param(document(["x"]), 502, "provider_bad_answer", id="another-document"),
        pytest.param(
            stream(lines({"error": {"type": "overloaded"}})), 502, "provider_unavailable", id="error-in-stream"
        ),
        pytest.param(stream(b""), 502, "provider_cut_answer", id="empty-stream"),
        pytest.param(
            breaks_off(lines(delta(role="assistant"), done=False)), 502, "provider_cut_answer", id="broken-off"
        ),
    ],
)
async def test_what_may_pass_is_asked_three_times_at_most(tmp_path: Path, reply: Reply, status: int, code: str) -> None:
    async with played(tmp_path, reply, reply, reply, says("too late")) as (bot, provider):
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)
        assert "x-should-retry" not in response.headers
        assert len(provider.bodies) == 3
    async with played(tmp_path / "again", reply, reply, says("at last")) as (bot, provider):
        response = await bot.chat("hi")
        assert (await response.json())["choices"][0]["message"]["content"] == "at last"


async def test_attempts_are_counted_over_all_rounds_and_results_are_used_again(tmp_path: Path) -> None:
    script = (refuses(500), looks_up(), refuses(500), says("ok"))
    async with played(tmp_path, *script, plugins=(plugin(),)) as (bot, provider):
        assert (await bot.chat("x")).status == 200
        assert 'result="ok"} 1.0' in await bot.metrics()
    assert provider.bodies[2] == provider.bodies[3]
    async with played(tmp_path / "b", *script[:3], refuses(500), says("no"), plugins=(plugin(),)) as (bot, provider):
        assert (await bot.chat("x")).status == 502
        assert len(provider.bodies) == 4


async def test_a_provider_that_asks_for_a_long_pause_is_not_waited_for(tmp_path: Path) -> None:
    async with played(tmp_path, refuses(429, headers={"Retry-After": "20"})) as (bot, _):
        response = await bot.chat("hi")
        assert (response.status, response.headers["Retry-After"]) == (503, "20")


async def test_after_the_first_words_a_failure_is_told_in_the_stream(tmp_path: Path) -> None:
    half = breaks_off(lines(delta(content="Half of it"), done=False))
    async with played(tmp_path, half, says("never")) as (bot, provider):
        response = await bot.chat("hi", stream=True)
        text = await response.text()
        assert response.status == 200
        assert 'reason="provider_cut_answer",status="200"' in await bot.metrics()
        assert len(provider.bodies) == 1
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]
    assert events[1]["choices"][0]["delta"] == {"content": "Half of it"}
    assert events[-1]["error"]["code"] == "provider_cut_answer"
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(stalls(), id="no-first-token"),
        pytest.param(stalls(lines(delta(tool_calls=[call("{")]), done=False)), id="between-chunks"),
    ],
)
async def test_a_provider_that_falls_silent_is_left(tmp_path: Path, reply: Reply) -> None:
    async with played(tmp_path, reply, provider={"timeout_seconds": 1}) as (bot, provider):
        # The config counts in whole seconds; no test waits that long.
        object.__setattr__(bot.services.bot().config.providers["main"], "timeout_seconds", 0.05)
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (504, "provider_timeout")
        assert len(provider.bodies) == 1


async def test_an_answer_that_never_ends_is_ended(tmp_path: Path) -> None:
    async with played(tmp_path, stalls(lines(delta(role="assistant"), done=False))) as (bot, _):
        object.__setattr__(bot.services.bot().config.limits, "max_answer_seconds", 0.05)
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (504, "answer_timeout")


async def test_nobody_listens_at_the_address(tmp_path: Path) -> None:
    provider = ProviderConfig(
        name="main", type="OpenAICompatible", base_url="http://127.0.0.1:9/v1", allowed_cidrs=("127.0.0.1/32",)
    )
    async with running(tmp_path, config(providers={"main": provider})) as bot:
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (502, "provider_unavailable")


async def test_the_key_is_read_from_its_file_and_again_when_it_changes(tmp_path: Path) -> None:
    key_file = tmp_path / "secrets" / "openai" / "key"
    async with played(
        tmp_path,
        says("a"),
        says("b"),
        refuses(401),
        provider={"api_key_file": "openai/key", "headers": {"X-Team": "shop"}},
    ) as (bot, provider):
        response = await bot.chat("hi")
        assert (response.status, (await response.json())["error"]["code"]) == (503, "provider_key_missing")
        problem = (await bot.status())["problems"][0]
        assert problem["reason"] == "SecretMissing"
        assert "`openai/key`" in problem["message"]
        key_file.parent.mkdir(parents=True)
        for key in ("first-key", "second-and-longer-key"):
            key_file.write_text(f"{key}\n")
            assert (await bot.chat("hi")).status == 200
        assert (await bot.status())["problems"] == []
        await bot.chat("hi")
        refused = (await bot.status())["problems"][0]
    assert [sent.get("Authorization") for sent in provider.headers[:2]] == [
        "Bearer first-key",
        "Bearer second-and-longer-key",
    ]
    assert provider.headers[0]["X-Team"] == "shop"
    assert refused["reason"] == "ProviderRefused"
    assert "second" not in refused["message"]


async def test_a_key_file_outside_the_secrets_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("host-secret")
    async with played(tmp_path, says("a"), provider={"api_key_file": "../other"}) as (bot, provider):
        assert (await bot.chat("hi")).status == 503
        assert provider.bodies == []


async def test_connections_are_used_again(tmp_path: Path) -> None:
    peers = set()

    def noting(reply: Reply) -> Reply:
        async def noted(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            peers.add(request.transport.get_extra_info("peername"))
            return await reply(request)

        return noted

    async with scripted(*(noting(says("x")) for _ in range(3))) as provider:
        model = ModelConfig(provider="main", name="m")
        async with running(tmp_path, config(model=model, providers=provider.config())) as bot:
            for _ in range(3):
                await bot.chat("hi")
    assert len(peers) == 1
