"""Every row of the table of request fields."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.support import config, plugin, running, says, scripted
from smarter_crds.runtime_config import LimitsConfig, ModelConfig

HI = {"role": "user", "content": "hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://acme.example/x.png"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
CALL = {"id": "call_x", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"model": "support"}, id="model-by-the-bots-name"),
        pytest.param({"model": "demo"}, id="model-by-its-own-name"),
        pytest.param({"seed": 7}, id="seed"),
        pytest.param({"stop": "x"}, id="stop-text"),
        pytest.param({"stop": ["x", "y"]}, id="stop-list"),
        pytest.param({"max_tokens": 5}, id="max_tokens"),
        pytest.param({"max_completion_tokens": 5}, id="max_completion_tokens"),
        pytest.param({"store": True, "user": "me", "safety_identifier": "x"}, id="overridden"),
        pytest.param({"metadata": {"a": "b"}}, id="metadata-is-dropped"),
        pytest.param({"n": 1, "logprobs": False}, id="harmless-values"),
        pytest.param({"temperature": None, "tools": None, "n": None}, id="nulls-are-unset"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, id="text-parts"),
        pytest.param(
            {"messages": [HI, {"role": "assistant", "content": "x", "refusal": None, "tool_calls": None}, HI]},
            id="an-answer-of-the-sdk-sent-back",
        ),
        pytest.param({"messages": [HI, {"role": "assistant", "content": None}, HI]}, id="an-empty-answer"),
    ],
)
async def test_it_is_honoured_or_quietly_overridden(tmp_path: Path, fields: dict[str, Any]) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.chat(**fields)
        assert (response.status, (await response.json()).get("error")) == (200, None)


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        pytest.param({"temperature": 0.5}, 403, "api_key_required", "temperature", id="temperature"),
        pytest.param({"top_p": 1}, 403, "api_key_required", "top_p", id="top_p"),
        pytest.param({"response_format": {}}, 403, "api_key_required", "response_format", id="response_format"),
        pytest.param({"tools": []}, 403, "api_key_required", "tools", id="tools"),
        pytest.param({"tool_choice": "none"}, 403, "api_key_required", "tool_choice", id="tool_choice"),
        pytest.param({"parallel_tool_calls": True}, 403, "api_key_required", "parallel_tool_calls", id="parallel"),
        pytest.param(
            {"messages": [{"role": "system", "content": "x"}, HI]}, 403, "api_key_required", "messages[0].role",
            id="system",
        ),
        pytest.param(
            {"messages": [{"role": "developer", "content": "x"}, HI]}, 403, "api_key_required", "messages[0].role",
            id="developer",
        ),
        pytest.param({"model": "gpt-6"}, 404, "model_not_found", "model", id="another-model"),
        pytest.param({"n": 2}, 400, "unsupported_parameter", "n", id="n"),
        pytest.param({"logprobs": True}, 400, "unsupported_parameter", "logprobs", id="logprobs"),
        pytest.param({"functions": []}, 400, "unsupported_parameter", "functions", id="functions"),
        pytest.param({"reasoning_effort": "low"}, 400, "unsupported_parameter", "reasoning_effort", id="reasoning"),
        pytest.param({"service_tier": "auto"}, 400, "unsupported_parameter", "service_tier", id="service_tier"),
        pytest.param({"web_search_options": {}}, 400, "unsupported_parameter", "web_search_options", id="web_search"),
        pytest.param({"prediction": {}}, 400, "unsupported_parameter", "prediction", id="prediction"),
        pytest.param({"frequency_penalty": 1}, 400, "unknown_parameter", "frequency_penalty", id="unknown-field"),
        pytest.param(
            {"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "unsupported_content", "messages[0].content[0]",
            id="image",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [AUDIO]}]}, 400, "unsupported_content", "messages[0].content[0]",
            id="audio",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [FILE]}]}, 400, "unsupported_content", "messages[0].content[0]",
            id="file",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": ["text"], "text": "x"}]}]}, 400, "unsupported_content",
            "messages[0].content[0]", id="a-part-whose-type-is-a-list",
        ),
        pytest.param(
            {"messages": [{"role": "tool", "tool_call_id": "call_x", "content": "1"}]}, 400, "unknown_tool_call",
            "messages[0]", id="tool-result",
        ),
        pytest.param(
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}, HI]}, 400, "unknown_tool_call",
            "messages[0].tool_calls[0]", id="tool-call",
        ),
        pytest.param({"messages": []}, 400, "invalid_value", "messages", id="no-messages"),
        pytest.param({"messages": [{**HI, "content": " "}]}, 400, "invalid_value", "messages[0].content", id="blank"),
        pytest.param(
            {"messages": [HI, {"role": "assistant", "content": "x"}]}, 400, "invalid_value", "messages[1].role",
            id="the-last-is-not-the-users",
        ),
        pytest.param({"messages": [HI] * 501}, 400, "too_many_messages", "messages", id="too-many-messages"),
        pytest.param(
            {"messages": [{**HI, "content": "x" * 8001}]}, 400, "prompt_too_long", "messages[0].content",
            id="long-prompt",
        ),
        pytest.param({"messages": [{**HI, "x": 1}]}, 400, "unknown_parameter", "messages[0]", id="unknown-in-message"),
        pytest.param({"stream": "yes"}, 400, "invalid_value", "stream", id="stream-is-no-flag"),
        pytest.param({"stream_options": {"include_usage": True}}, 400, "invalid_value", "stream_options", id="options"),
        pytest.param({"max_tokens": 0}, 400, "invalid_value", "max_tokens", id="no-tokens"),
        pytest.param({"max_tokens": 1.5}, 400, "invalid_value", "max_tokens", id="broken-tokens"),
        pytest.param({"stop": [""]}, 400, "invalid_value", "stop", id="empty-stop"),
        pytest.param({"stop": ["1", "2", "3", "4", "5"]}, 400, "invalid_value", "stop", id="five-stops"),
    ],
)  # fmt: skip
async def test_it_is_refused_with_a_sentence(
    tmp_path: Path, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.chat(**fields)
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param)
    assert error["message"].endswith(".")
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        pytest.param("[]", {}, 400, "invalid_value", id="no-object"),
        pytest.param("{", {}, 400, "invalid_json", id="no-json"),
        pytest.param("{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type", id="no-json-type"),
        pytest.param('"' + "x" * 70_000 + '"', {}, 413, "request_too_large", id="too-large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    tmp_path: Path, body: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with running(tmp_path, config(), max_body_bytes=65536) as bot:
        sent = {"Authorization": f"Bearer {bot.token}", "Content-Type": "application/json", **headers}
        async with bot.http.post(f"{bot.url}/v1/chat/completions", data=body, headers=sent) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (status, code)


async def test_a_body_of_unknown_length_is_bounded_too(tmp_path: Path) -> None:
    async def pieces() -> Any:
        for _ in range(8):
            yield b" " * 16_384

    async with running(tmp_path, config(), max_body_bytes=65536) as bot:
        sent = {"Authorization": f"Bearer {bot.token}", "Content-Type": "application/json"}
        async with bot.http.post(f"{bot.url}/v1/chat/completions", data=pieces(), headers=sent) as response:
            assert response.status == 413


async def test_a_body_that_never_comes_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path, config(), body_seconds=0.05) as bot:
        host, _, port = bot.url.removeprefix("http://").partition(":")

        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bot.token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode())
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_the_provider_gets_what_was_asked_for_and_nothing_else(tmp_path: Path) -> None:
    limits = LimitsConfig()
    async with scripted(says("ok")) as provider:
        model = ModelConfig(provider="main", name="gpt", max_tokens=100, temperature=0.0, reasoning_effort="Low")
        document = config(model=model, providers=provider.config(type="OpenAI"), limits=limits)
        async with running(tmp_path, document) as bot:
            response = await bot.chat(
                "hi", max_tokens=500, seed=7, stop="END", user="me", metadata={"a": "b"}, store=True, model="gpt"
            )
            assert response.status == 200
    sent = provider.bodies[0]
    assert {name: sent[name] for name in ("seed", "stop", "store", "temperature", "reasoning_effort")} == {
        "seed": 7, "stop": ["END"], "store": False, "temperature": 0.0, "reasoning_effort": "low",
    }  # fmt: skip
    assert sent["max_completion_tokens"] == 100
    assert sent["safety_identifier"] not in ("", "me")
    assert set(sent) & {"user", "metadata", "top_p", "tools", "max_tokens"} == set()


async def test_other_servers_than_openai_are_spared_its_fields(tmp_path: Path) -> None:
    async with scripted(says("ok")) as provider:
        document = config(model=ModelConfig(provider="main", name="m", max_tokens=9), providers=provider.config())
        async with running(tmp_path, document) as bot:
            await bot.chat("hi")
    assert set(provider.bodies[0]) == {"model", "messages", "stream", "stream_options", "max_tokens"}


async def test_mistral_is_spared_what_it_refuses(tmp_path: Path) -> None:
    async with (
        scripted(says("ok")) as provider,
        running(tmp_path, config(providers=provider.config(type="Mistral"))) as bot,
    ):
        await bot.chat("hi", seed=7)
    assert set(provider.bodies[0]) == {"model", "messages", "stream", "random_seed"}


async def test_the_list_of_models_has_the_bots_one(tmp_path: Path) -> None:
    async with running(tmp_path, config(plugins=(plugin(),))) as bot, bot.client() as client:
        assert [(model.id, model.owned_by) async for model in client.models.list()] == [("demo", "support")]
