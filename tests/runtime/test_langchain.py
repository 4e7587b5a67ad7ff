"""Models that LangChain reaches, each behind a server that speaks its own API and judges what it is asked."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.keys import TOKEN, key, put
from runtime.support import Reply, Running, config, plugin, running
from runtime.vendors import (
    Judge,
    Vendor,
    anthropic_faults,
    anthropic_refuses,
    anthropic_says,
    bedrock,
    bedrock_faults,
    bedrock_refuses,
    bedrock_says,
    google_faults,
    google_refuses,
    google_says,
    settings,
    sse,
    vendor,
)
from smarter_cluster.pki import Authority, Subject
from smarter_crds.runtime_config import LangChainConfig, ModelConfig

# Libraries of others, under Python's newest warnings.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # Google's library forgets to await the body of an error.
    pytest.mark.filterwarnings("ignore:coroutine 'ClientResponse.json' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-pod")


LOOKED_UP = '{"inquiry_type": "returns"}'
TEXT = {"type": "text", "text": "Hello."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "returns-policy", "input": ['{"inquiry', '_type": "returns"}']}
THOUGHT = {"type": "thinking", "thinking": "Let me look.", "signature": "sealed"}
GOOGLE_CALL = {
    "functionCall": {"name": "returns-policy", "args": {"inquiry_type": "returns"}},
    "thoughtSignature": "c2VhbGVk",
}
BEDROCK_END = (
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 2, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 8}}),
)
BEDROCK_TEXT = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello."}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
)
BEDROCK_CALL = (
    ("messageStart", {"role": "assistant"}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "returns-policy"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": LOOKED_UP}}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 2, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 8}}),
)
MODELS = {"Anthropic": "claude-sonnet-4-6", "Google": "gemini-3.5-flash", "LangChain": "anthropic.claude-sonnet-4-6"}
KINDS: dict[str, tuple[Judge, dict[str, Any]]] = {
    "Anthropic": (anthropic_faults, {}),
    "Google": (google_faults, {}),
    # Amazon's library sends a key over TLS only; it signs with the identity that it finds in its environment.
    "LangChain": (bedrock_faults, {"langchain": bedrock(), "api_key_file": ""}),
}


@asynccontextmanager
async def asked(
    directory: Path, kind: str, *replies: Reply, provider: dict[str, Any] | None = None, **changes: Any
) -> AsyncIterator[tuple[Running, Vendor]]:
    """Serve a bot whose provider of type `kind` plays `replies`."""
    judge, own = KINDS[kind]
    (directory / "secrets").mkdir(exist_ok=True)
    (directory / "secrets" / "key").write_text("first-key")
    model = {"provider": "main", "name": MODELS[kind], **changes.pop("model", {})}
    async with AsyncExitStack() as stack:
        script = await stack.enter_async_context(vendor(judge, *replies))
        document = config(
            providers=settings(script, kind, **own | (provider or {})), model=ModelConfig(**model), **changes
        )
        yield await stack.enter_async_context(running(directory, document)), script


async def text_of(bot: Running, **fields: Any) -> str:
    answer = await (await bot.chat("What about returns?", **fields)).json()
    return str(answer["choices"][0]["message"]["content"]) if "choices" in answer else str(answer["error"]["code"])


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        pytest.param("Anthropic", anthropic_says(TEXT), id="anthropic"),
        pytest.param("Google", google_says({"text": "Hel"}, {"text": "lo."}), id="google"),
        pytest.param("LangChain", bedrock_says(*BEDROCK_TEXT, *BEDROCK_END), id="bedrock"),
    ],
)
async def test_an_answer_comes_with_its_usage(tmp_path: Path, kind: str, reply: Reply) -> None:
    async with asked(tmp_path, kind, reply) as (bot, script):
        answer = await (await bot.chat("hi")).json()
        metrics = await bot.metrics()
    assert answer["choices"][0]["message"]["content"] == "Hello."
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10, 5)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 8
    assert "first-key" in str(script.headers) and "secret" not in metrics


@pytest.mark.parametrize("kind", ["Anthropic", "Google", "LangChain"])
async def test_what_is_not_set_is_not_sent(tmp_path: Path, kind: str) -> None:
    replies = {
        "Anthropic": anthropic_says(TEXT),
        "Google": google_says({"text": "Hello."}),
        "LangChain": bedrock_says(*BEDROCK_TEXT, *BEDROCK_END),
    }
    async with asked(tmp_path, kind, replies[kind]) as (bot, script):
        assert await text_of(bot) == "Hello."
    sent = str(script.bodies)
    assert [
        name for name in ("temperature", "topP", "top_p", "topK", "top_k", "seed", "thinking") if name in sent
    ] == []


@pytest.mark.parametrize(
    ("kind", "reply", "expected"),
    [
        pytest.param(
            "Anthropic", anthropic_says(TEXT), {"temperature": 0, "max_tokens": 50, "top_p": 0.5}, id="anthropic"
        ),
        pytest.param(
            "Google",
            google_says({"text": "Hello."}),
            {"generationConfig": {"temperature": 0, "maxOutputTokens": 50, "topP": 0.5}},
            id="google",
        ),
        pytest.param(
            "LangChain",
            bedrock_says(*BEDROCK_TEXT, *BEDROCK_END),
            {"inferenceConfig": {"temperature": 0, "maxTokens": 50, "topP": 0.5}},
            id="bedrock",
        ),
    ],
)
async def test_what_is_set_is_sent(tmp_path: Path, kind: str, reply: Reply, expected: dict[str, Any]) -> None:
    model = {"temperature": 0, "max_tokens": 100, "top_p": 0.5}
    async with asked(tmp_path, kind, reply, model=model) as (bot, script):
        assert await text_of(bot, max_tokens=50) == "Hello."
    sent = script.bodies[0]
    for name, value in expected.items():
        assert (dict(sent[name], **value) if isinstance(value, dict) else value) == sent[name]


async def test_anthropic_gets_its_thoughts_and_calls_back_within_the_turn(tmp_path: Path) -> None:
    replies = [anthropic_says(THOUGHT, CALL, stop_reason="tool_use"), anthropic_says(TEXT)]
    async with asked(tmp_path, "Anthropic", *replies, plugins=(plugin(),)) as (bot, script):
        assert await text_of(bot) == "Hello."
    first, second = script.bodies
    assert [block["type"] for block in second["messages"][1]["content"]] == ["thinking", "tool_use"]
    assert second["messages"][1]["content"][0]["signature"] == "sealed"
    assert second["messages"][1]["content"][1]["input"] == {"inquiry_type": "returns"}
    assert "30 days" in str(second["messages"][2])
    # What was cached for the first request is found again by the second.
    assert (first["cache_control"], second["tools"]) == ({"type": "ephemeral"}, first["tools"])


async def test_google_gets_the_signatures_of_its_thoughts_back_within_the_turn(tmp_path: Path) -> None:
    replies = [google_says(GOOGLE_CALL), google_says({"text": "Hello."})]
    async with asked(tmp_path, "Google", *replies, plugins=(plugin(),)) as (bot, script):
        assert await text_of(bot) == "Hello."
    call, result = script.bodies[1]["contents"][1:]
    assert (call["role"], call["parts"][0]["thoughtSignature"]) == ("model", "c2VhbGVk")
    assert "30 days" in str(result["parts"][0]["functionResponse"])


async def test_bedrock_calls_tools(tmp_path: Path) -> None:
    replies = [bedrock_says(*BEDROCK_CALL), bedrock_says(*BEDROCK_TEXT, *BEDROCK_END)]
    async with asked(tmp_path, "LangChain", *replies, plugins=(plugin(),)) as (bot, script):
        assert await text_of(bot) == "Hello."
    call, result = script.bodies[1]["messages"][1:]
    assert call["content"][-1]["toolUse"]["input"] == {"inquiry_type": "returns"}
    assert result["content"][0]["toolResult"]["toolUseId"] == "tooluse_1"
    assert "Credential=first-key/" in script.headers[0]["Authorization"]


async def test_arguments_that_are_no_json_are_repaired_by_the_model(tmp_path: Path) -> None:
    broken = CALL | {"input": ['{"inquiry_type": ']}
    replies = [
        anthropic_says(broken, stop_reason="tool_use"),
        anthropic_says(CALL | {"id": "toolu_2"}, stop_reason="tool_use"),
        anthropic_says(TEXT),
    ]
    async with asked(tmp_path, "Anthropic", *replies, plugins=(plugin(),)) as (bot, script):
        assert await text_of(bot) == "Hello."
    assert "no JSON" in str(script.bodies[1]["messages"][2])
    assert "30 days" in str(script.bodies[2]["messages"][4])


async def test_the_last_round_keeps_the_tools_and_forbids_their_use(tmp_path: Path) -> None:
    replies = [anthropic_says(CALL, stop_reason="tool_use"), anthropic_says(TEXT)]
    limits = config().limits.model_copy(update={"max_tool_calls_per_turn": 1})
    async with asked(tmp_path, "Anthropic", *replies, plugins=(plugin(),), limits=limits) as (bot, script):
        assert await text_of(bot) == "Hello."
    assert [body.get("tool_choice") for body in script.bodies] == [None, {"type": "none"}]


async def test_a_model_that_refuses_the_temperature_is_asked_again_without(tmp_path: Path) -> None:
    refusal = anthropic_refuses(400, "invalid_request_error", "`temperature` is deprecated for this model.")
    replies = [refusal, anthropic_says(TEXT), anthropic_says(TEXT)]
    async with asked(tmp_path, "Anthropic", *replies, model={"temperature": 0.5}) as (bot, script):
        assert [await text_of(bot), await text_of(bot)] == ["Hello.", "Hello."]
    assert ["temperature" in body for body in script.bodies] == [True, False, False]


async def test_what_the_library_itself_refuses_of_a_model_is_left_out(tmp_path: Path) -> None:
    model = {"name": "claude-sonnet-5-5", "temperature": 0.5}
    async with asked(tmp_path, "Anthropic", anthropic_says(TEXT), model=model) as (bot, script):
        assert await text_of(bot) == "Hello."
    assert "temperature" not in script.bodies[0]


@pytest.mark.parametrize(
    ("kind", "reply", "status", "code"),
    [
        pytest.param("Anthropic", anthropic_refuses(401, "authentication_error"), 502, "provider_auth", id="key"),
        pytest.param(
            "Anthropic", anthropic_refuses(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
            400, "context_length_exceeded", id="too-long",
        ),
        pytest.param("Anthropic", anthropic_refuses(400, "invalid_request_error"), 502, "provider_rejected", id="bad"),
        pytest.param(
            "Anthropic", anthropic_refuses(429, "rate_limit_error", **{"retry-after": "40"}), 503,
            "provider_rate_limited", id="busy",
        ),
        pytest.param(
            "Google", google_refuses(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            502, "provider_auth", id="google-key",
        ),
        pytest.param(
            "Google", google_refuses(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum (8)."),
            400, "context_length_exceeded", id="google-too-long",
        ),
        pytest.param("LangChain", bedrock_refuses(403, "UnrecognizedClientException"), 502, "provider_auth", id="aws"),
    ],
)  # fmt: skip
async def test_what_a_provider_refuses_is_said_without_its_words(
    tmp_path: Path, kind: str, reply: Reply, status: int, code: str
) -> None:
    async with asked(tmp_path, kind, reply) as (bot, _):
        response = await bot.chat("hi")
        body = await response.text()
        problems = str((await bot.status())["problems"])
    assert (response.status, code in body, "secret-of" in body + problems) == (status, True, False), body
    assert ("ProviderRefused" in problems) == (code == "provider_auth")


@pytest.mark.parametrize(
    ("kind", "fault", "good"),
    [
        pytest.param("Anthropic", anthropic_refuses(529, "overloaded_error"), anthropic_says(TEXT), id="overloaded"),
        pytest.param(
            "Anthropic", sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            anthropic_says(TEXT), id="overloaded-in-the-stream",
        ),
        pytest.param("Anthropic", anthropic_says(stop_reason=None), anthropic_says(TEXT), id="cut"),
        pytest.param(
            "Google", google_refuses(503, "UNAVAILABLE", "busy"), google_says({"text": "Hello."}), id="google-busy"
        ),
        pytest.param(
            "Google", google_says(finish_reason="MALFORMED_FUNCTION_CALL"), google_says({"text": "Hello."}),
            id="google-garbled-call",
        ),
        pytest.param(
            "LangChain", bedrock_refuses(429, "ThrottlingException"), bedrock_says(*BEDROCK_TEXT, *BEDROCK_END),
            id="aws-throttled",
        ),
    ],
)  # fmt: skip
async def test_a_passing_fault_is_asked_again_once(tmp_path: Path, kind: str, fault: Reply, good: Reply) -> None:
    async with asked(tmp_path, kind, fault, good) as (bot, script):
        assert await text_of(bot) == "Hello."
    assert len(script.bodies) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(anthropic_says(TEXT, stop_reason="max_tokens"), "length", id="length"),
        pytest.param(anthropic_says(TEXT, stop_reason="refusal"), "content_filter", id="refusal"),
        pytest.param(anthropic_says(TEXT, stop_reason="stop_sequence"), "stop", id="stop-sequence"),
    ],
)
async def test_why_an_answer_ends(tmp_path: Path, reply: Reply, reason: str) -> None:
    async with asked(tmp_path, "Anthropic", reply) as (bot, script):
        answer = await (await bot.chat("hi", stop=["END"])).json()
    assert answer["choices"][0]["finish_reason"] == reason
    assert script.bodies[0]["stop_sequences"] == ["END"]


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
JSON = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("kind", "fields", "place", "expected"),
    [
        pytest.param(
            "Anthropic", {"tools": [TOOL], "tool_choice": "required"}, ("tool_choice",), {"type": "any"}, id="any-tool"
        ),
        pytest.param(
            "Anthropic", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            ("tool_choice",), {"type": "tool", "name": "weather"}, id="one-tool",
        ),
        pytest.param(
            "Anthropic", {"tools": [TOOL], "parallel_tool_calls": False}, ("tool_choice",),
            {"type": "auto", "disable_parallel_tool_use": True}, id="one-at-a-time",
        ),
        pytest.param(
            "Anthropic", {"response_format": JSON}, ("output_config", "format"),
            {"type": "json_schema", "schema": SCHEMA}, id="json",
        ),
        pytest.param(
            "Google", {"tools": [TOOL], "tool_choice": "required"}, ("toolConfig", "functionCallingConfig", "mode"),
            "ANY", id="google-any-tool",
        ),
        pytest.param(
            "Google", {"response_format": JSON}, ("generationConfig", "responseMimeType"), "application/json",
            id="google-json",
        ),
        pytest.param(
            "LangChain", {"tools": [TOOL], "tool_choice": "required"}, ("toolConfig", "toolChoice"), {"any": {}},
            id="aws-any-tool",
        ),
    ],
)  # fmt: skip
async def test_what_a_key_may_ask_for_reaches_the_model(
    tmp_path: Path, kind: str, fields: dict[str, Any], place: tuple[str, ...], expected: Any
) -> None:
    replies = {
        "Anthropic": anthropic_says(TEXT),
        "Google": google_says({"text": "Hello."}),
        "LangChain": bedrock_says(*BEDROCK_TEXT, *BEDROCK_END),
    }
    put(tmp_path, key())
    async with asked(tmp_path, kind, replies[kind]) as (bot, script):
        bot.token = TOKEN
        assert await text_of(bot, **fields) == "Hello."
    found: Any = script.bodies[0]
    for name in place:
        found = found[name]
    assert found == expected


async def test_a_format_that_cannot_be_asked_for_is_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with asked(tmp_path, "Anthropic") as (bot, script):
        bot.token = TOKEN
        error = (await (await bot.chat("hi", response_format={"type": "json_object"})).json())["error"]
    assert ("`response_format`" in error["message"], script.bodies) == (True, [])


async def test_a_new_key_is_used_at_once(tmp_path: Path) -> None:
    async with asked(tmp_path, "Anthropic", anthropic_says(TEXT), anthropic_says(TEXT)) as (bot, script):
        await text_of(bot)
        (tmp_path / "secrets" / "key").write_text("second-key")
        await text_of(bot)
    assert [sent["Authorization"] for sent in script.headers] == ["Bearer first-key", "Bearer second-key"]


@pytest.mark.parametrize("kind", ["Anthropic", "Google", "LangChain"])
async def test_an_address_that_is_not_allowed_is_not_dialled(tmp_path: Path, kind: str) -> None:
    async with asked(tmp_path, kind, provider={"allowed_cidrs": ()}) as (bot, script):
        assert await text_of(bot) == "provider_address_refused"
    assert script.bodies == []


@pytest.mark.parametrize(
    ("kind", "judge", "reply"),
    [
        pytest.param("Anthropic", anthropic_faults, anthropic_says(TEXT), id="anthropic"),
        pytest.param("Google", google_faults, google_says({"text": "Hello."}), id="google"),
    ],
)
async def test_only_the_named_authority_is_trusted(tmp_path: Path, kind: str, judge: Judge, reply: Reply) -> None:
    ours = Authority(tmp_path / "ours", "ours")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pair = ours.issue("llm", Subject(name="llm", hosts=("127.0.0.1",)))
    context.load_cert_chain(pair.certificate, pair.key)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("first-key")
    (tmp_path / "secrets" / "ca").write_text(ours.pair.certificate.read_text())
    async with vendor(judge, reply, ssl_context=context) as script:
        for ca_file, expected in (("", "provider_unavailable"), ("ca", "Hello.")):
            document = config(providers=settings(script, kind, ca_file=ca_file))
            async with running(tmp_path, document) as bot:
                assert await text_of(bot) == expected


async def test_a_library_that_the_image_lacks_is_a_problem_of_the_provider(tmp_path: Path) -> None:
    ibm = LangChainConfig(provider="ibm")
    async with asked(tmp_path, "LangChain", provider={"langchain": ibm}) as (bot, _):
        await bot.runtime.refresh()
        problem = (await bot.status())["problems"][0]
        assert await text_of(bot) == "provider_rejected"
    assert problem["message"] == "Provider 'main': this image has no LangChain package for 'ibm'."
    assert problem["resource"] == {"kind": "Provider", "name": "main"}


async def test_a_visitor_who_leaves_ends_the_request_to_the_provider(tmp_path: Path) -> None:
    async with asked(tmp_path, "Anthropic", anthropic_says({"type": "text", "text": "long " * 2000})) as (bot, script):
        stream = await bot.client().chat.completions.create(
            model="support", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        await anext(stream)
        await stream.close()
    assert len(script.bodies) == 1
