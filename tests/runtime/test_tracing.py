"""Traces: what a collector is told of an answer, what it is not, and what happens when it is away."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.api_server import answers, api, auth, parameter
from runtime.api_server import plugin as api_plugin
from runtime.keys import TOKEN, key, put
from runtime.support import (
    Running,
    ScriptedProvider,
    call,
    calls,
    config,
    delta,
    lines,
    listening,
    looks_up,
    played,
    plugin,
    refuses,
    running,
    says,
    scripted,
    stream,
    until,
)
from smarter_crds.runtime_config import LangChainConfig, LimitsConfig, ModelConfig, ProviderConfig
from smarter_runtime.conversation import Round
from smarter_runtime.events import Usage
from smarter_runtime.logs import JsonFormatter
from smarter_runtime.models import Parameters
from smarter_runtime.tracing.attributes import of_round
from smarter_runtime.tracing.otel import OtelTracer
from support.otlp_collector import Collector, Told, collecting

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MODEL = ModelConfig(provider="main", name="gpt", temperature=0.5, max_tokens=100)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")


@asynccontextmanager
async def traced(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


def hello(text: str = "hi") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def one(spans: list[Told], name: str) -> Told:
    (found,) = [span for span in spans if span.name == name]
    return found


@dataclass
class Scene:
    """What was told of an answer with one call of a tool, by a caller who is traced himself."""

    spans: list[Told]
    answer_id: str
    provider: ScriptedProvider

    @property
    def chats(self) -> list[Told]:
        return [span for span in self.spans if span.name == "chat gpt"]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    async with (
        traced(monkeypatch) as collector,
        played(tmp_path, looks_up(), says("14 days."), plugins=(plugin(),), model=MODEL) as (bot, provider),
    ):
        answer = await bot.post(hello(), Traceparent=PARENT, **{"X-Request-ID": "r-1"})
        id_ = (await answer.json())["id"]
        await collector.named("POST /v1/chat/completions")
    return Scene([span for span in collector.spans if span.trace == PARENT.split("-")[1]], id_, provider)


async def test_an_answer_is_a_tree_of_spans_below_the_one_of_the_caller(scene: Scene) -> None:
    request, agent = one(scene.spans, "POST /v1/chat/completions"), one(scene.spans, "invoke_agent support")
    tool = one(scene.spans, "execute_tool returns-policy")
    assert len(scene.spans) == 5
    assert (request.kind, request.parent) == ("SERVER", PARENT.split("-")[2])
    assert (agent.kind, agent.parent) == ("INTERNAL", request.id)
    assert [(span.kind, span.parent) for span in (*scene.chats, tool)] == [
        ("CLIENT", agent.id),
        ("CLIENT", agent.id),
        ("INTERNAL", agent.id),
    ]
    # The provider is told of its span, and could go on with it.
    told = [each["traceparent"] for each in scene.provider.headers]
    assert told == [f"00-{chat.trace}-{chat.id}-01" for chat in scene.chats]
    assert {span.schema for span in scene.spans} == {"https://opentelemetry.io/schemas/gen-ai/1.42.0"}
    assert not any(span.is_error for span in scene.spans)
    resource = {name: agent.resource[name] for name in ("service.name", "service.namespace", "k8s.pod.uid")}
    assert resource == {"service.name": "support", "service.namespace": "acme", "k8s.pod.uid": "pod-1"}


async def test_request_answer_and_tool_say_what_they_were(scene: Scene) -> None:
    names = ("POST /v1/chat/completions", "invoke_agent support", "execute_tool returns-policy")
    request, agent, tool = (one(scene.spans, name).attributes for name in names)
    assert request == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "smarter.request.id": "r-1",
        "smarter.reason": "ok",
    }
    assert agent == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": "uid-of-support",
        "gen_ai.agent.name": "support",
        "gen_ai.request.model": "gpt",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "smarter.answer.id": scene.answer_id,
        "smarter.answer.status": "Complete",
        "smarter.answer.rounds": 2,
    }
    assert tool == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "returns-policy",
        "gen_ai.tool.type": "datastore",
        "gen_ai.tool.call.id": "call_1",
    }


async def test_each_question_to_a_model_says_how_it_was_asked_and_answered(scene: Scene) -> None:
    for chat, finish in zip(scene.chats, ("tool_calls", "stop"), strict=True):
        assert chat.attributes.pop("gen_ai.response.time_to_first_chunk") > 0
        assert chat.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openaicompatible",
            "gen_ai.request.model": "gpt",
            "gen_ai.request.stream": True,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 100,
            "gen_ai.output.type": "text",
            "gen_ai.response.finish_reasons": (finish,),
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 0,
            "smarter.usage.estimated": False,
            "server.address": "127.0.0.1",
            "server.port": int(scene.provider.url.rsplit(":", 1)[1].partition("/")[0]),
        }


async def test_an_api_is_told_of_the_call_and_nobody_of_baggage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = api_plugin(parameter("order_id", "Integer", required=True), path="/orders/{order_id}")
    asks = calls(*(call(f'{{"order_id": {n}}}', index=n, id_=f"c{n}", name="orders") for n in range(2)))
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(traced(monkeypatch))
        server = await stack.enter_async_context(api(answers({"state": "sent"})))
        provider = await stack.enter_async_context(scripted(asks, says("Both are on their way.")))
        document = config(providers=provider.config(), plugins=(orders,), api_connections={"erp": server.connection()})
        bot = await stack.enter_async_context(running(tmp_path, document))
        headers = {"Traceparent": PARENT, "Tracestate": "shop=7", "Baggage": "email=ada@shop.example"}
        assert (await bot.post(hello(), **headers)).status == 200
        tools = await collector.named("execute_tool orders", 2)
    assert {seen.headers["traceparent"] for seen in server.seen} == {f"00-{tool.trace}-{tool.id}-01" for tool in tools}
    assert {tool.attributes["gen_ai.tool.type"] for tool in tools} == {"extension"}
    every = [seen.headers for seen in server.seen] + [
        {name.lower(): value for name, value in each.items()} for each in provider.headers
    ]
    assert {each["tracestate"] for each in every} == {"shop=7"}
    assert not any("baggage" in each for each in every)


@pytest.mark.parametrize(
    "given", ["", "nonsense", "00-0-0-01", f"ff{PARENT[2:]}", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
async def test_a_forged_parent_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    async with traced(monkeypatch) as collector, running(tmp_path, config()) as bot:
        assert (await bot.post(hello(), Traceparent=given)).status == 200
        (request,) = await collector.named("POST /v1/chat/completions")
    assert request.parent == ""


async def test_no_word_no_argument_and_no_key_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, key())
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "key").write_text("sk-of-the-provider")
    (tmp_path / "secrets" / "token").write_text("s3cret-of-the-shop")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    orders = api_plugin(parameter("order_id", "String", required=True), path="/orders/{order_id}")
    replies = (
        calls(call('{"order_id": "argument-of-the-model"}', id_="c1", name="orders")),
        calls(call('{"x": "y"}', id_="c2", name="name-that-the-model-made-up")),
        stream(lines(delta(content="words of the model"), delta("stop"))),
        refuses(400),
        stream(lines({"error": {"message": "secret-of-the-stream"}})),
    )
    async with AsyncExitStack() as stack:
        collector = await stack.enter_async_context(traced(monkeypatch))
        server = await stack.enter_async_context(api(answers({"state": "result-of-the-api"})))
        provider = await stack.enter_async_context(scripted(*replies))
        connection = server.connection(auth=auth("Bearer", secret_file="token"))
        document = config(
            system_prompt="prompt-of-the-bot",
            providers=provider.config(api_key_file="key"),
            plugins=(orders,),
            api_connections={"erp": connection},
        )
        bot = await stack.enter_async_context(running(tmp_path, document))
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        body = {**hello("words-of-the-visitor"), "stop": ["stop-of-the-caller"]}
        assert [(await bot.post(body, **bearer)).status for _ in range(3)] == [200, 502, 502]
        async with bot.http.get(f"{bot.url}/app/v1/conversations/{'c' * 22}", headers=bearer) as response:
            assert response.status == 404
        await collector.named("GET /app/v1/conversations/{id}")
        await collector.named("POST /v1/chat/completions", 3)
    everything = b"".join(collector.bodies)
    assert b"execute_tool unknown" in everything
    for secret in (
        *("sk-of-the-provider", "s3cret-of-the-shop", TOKEN, "prompt-of-the-bot", "words-of-the-visitor"),
        *("stop-of-the-caller", "argument-of-the-model", "result-of-the-api", "words of the model", "made-up"),
        *("secret-of-the-provider", "secret-of-the-stream", "c" * 22, bot.token),
    ):
        assert secret.encode() not in everything, secret


async def test_an_attempt_that_failed_and_the_next_one_are_both_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(monkeypatch) as collector, played(tmp_path, refuses(500), says("Hi."), model=MODEL) as (bot, _):
        assert (await bot.chat("hi")).status == 200
        await collector.named("POST /v1/chat/completions")
    failed, other = (span for span in collector.spans if span.name == "chat gpt")
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "unavailable")
    assert (other.is_error, other.parent) == (False, failed.parent)
    assert not one(collector.spans, "invoke_agent support").is_error


async def test_an_answer_that_nobody_waits_for_any_more_is_told_as_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    async def stalls(request: Any) -> Any:
        await release.wait()
        return await says("late")(request)

    async with traced(monkeypatch) as collector, played(tmp_path, stalls) as (bot, provider):
        asking = asyncio.create_task(bot.chat("hi"))
        await until(lambda: provider.bodies)
        asking.cancel()
        (agent,) = await collector.named("invoke_agent support")
        release.set()
    chat = one(collector.spans, "chat demo")
    assert (agent.is_error, agent.attributes["error.type"]) == (True, "stopped")
    assert (agent.attributes["smarter.answer.status"], chat.attributes["error.type"]) == ("Stopped", "stopped")


@pytest.mark.parametrize(
    ("limits", "code", "is_error"),
    [
        pytest.param(LimitsConfig(max_prompt_characters=1), "prompt_too_long", False, id="the-clients-affair"),
        pytest.param(LimitsConfig(), "provider_unavailable", True, id="ours"),
    ],
)
async def test_a_refused_request_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: LimitsConfig, code: str, is_error: bool
) -> None:
    replies = [refuses(500)] * 3
    async with traced(monkeypatch) as collector, played(tmp_path, *replies, limits=limits) as (bot, _):
        assert (await bot.chat("hello")).status in (400, 502)
        (request,) = await collector.named("POST /v1/chat/completions")
    assert (request.attributes["smarter.reason"], request.is_error) == (code, is_error)


async def test_log_lines_name_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(JsonFormatter().format(record)))

    caplog.set_level(logging.INFO)
    logger, handler = logging.getLogger("smarter_runtime.access"), Keeping()
    logger.addHandler(handler)
    try:
        async with traced(monkeypatch), running(tmp_path, config()) as bot:
            await bot.post(hello(), Traceparent=PARENT)
    finally:
        logger.removeHandler(handler)
    assert [line["traceId"] for line in written if line["route"] == "/v1/chat/completions"] == [PARENT.split("-")[1]]


async def answered(bot: Running, provider: ScriptedProvider) -> None:
    assert (await bot.chat("hi")).status == 200
    assert provider.headers[-1]["traceparent"]


async def test_a_collector_that_is_away_harms_no_answer_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(_nobody) as url:
        pass
    _give_up_soon(monkeypatch, url)
    async with played(tmp_path, *[says("Hi.")] * 50) as (bot, provider):
        tracer = _impatient(bot)
        for _ in range(50):
            await answered(bot, provider)
    await _over(tracer)


async def test_a_collector_that_never_answers_harms_no_answer_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bytes] = []
    has_gone = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readexactly(4))
        await has_gone.wait()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    _give_up_soon(monkeypatch, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        async with played(tmp_path, says("Hi."), says("Hi.")) as (bot, provider):
            tracer = _impatient(bot)
            await answered(bot, provider)
            await until(lambda: got)
            await answered(bot, provider)
        # The bot has ended, and the collector has still not said a word.
        assert set(got) == {b"POST"}
        has_gone.set()
        await _over(tracer)


def _give_up_soon(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Name a collector that takes nothing; the library tries for a second and not for ten."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")


def _impatient(bot: Running) -> OtelTracer:
    tracer = bot.services.traces.tracer
    assert isinstance(tracer, OtelTracer)
    tracer.close_seconds = 0.05
    return tracer


async def _over(tracer: OtelTracer) -> None:
    """Wait until the library has given up, which no bot does; a test shall leave nothing behind."""
    assert tracer.closing is not None
    await asyncio.to_thread(tracer.closing.join, 60)
    assert not tracer.closing.is_alive()


async def _nobody(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "must be `http/protobuf`", id="protocol"),
        pytest.param({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "must be `http/protobuf`", id="json"),
        pytest.param({"OTEL_TRACES_EXPORTER": "zipkin"}, "must be `otlp` or `none`", id="exporter"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_bot_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    async with traced(monkeypatch) as collector:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        async with running(tmp_path, config()) as bot:
            assert (await bot.chat("hi")).status == 200
            (problem,) = (await bot.status())["problems"]
        assert problem["reason"] == "TracingUnavailable"
        assert message in problem["message"]
        assert collector.bodies == []


async def test_without_the_library_the_bot_says_so_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smarter_runtime.tracing.otel", None)
    async with traced(monkeypatch), running(tmp_path, config()) as bot:
        assert (await bot.chat("hi")).status == 200
        (problem,) = (await bot.status())["problems"]
    assert "lacks the SDK of OpenTelemetry" in problem["message"]


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"OTEL_SDK_DISABLED": "true"}, id="disabled"),
        pytest.param({"OTEL_TRACES_EXPORTER": "none"}, id="no-exporter"),
    ],
)
async def test_what_is_switched_off_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    async with traced(monkeypatch) as collector:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        async with played(tmp_path, says("Hi.")) as (bot, provider):
            assert (await bot.post(hello(), Traceparent=PARENT)).status == 200
            assert (await bot.status())["problems"] == []
        assert collector.bodies == []
        assert "traceparent" not in {name.lower() for name in provider.headers[0]}


async def test_the_standard_variables_choose_name_headers_and_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "help")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.namespace=shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with traced(monkeypatch) as collector, running(tmp_path, config()) as bot:
        assert (await bot.post(hello())).status == 200
        assert (await bot.post(hello(), Traceparent=PARENT)).status == 200
        (request,) = await collector.named("POST /v1/chat/completions")
    assert {span.trace for span in collector.spans} == {PARENT.split("-")[1]}
    assert collector.headers[0]["x-tenant"] == "acme"
    named = ("service.name", "service.namespace", "deployment.environment.name", "k8s.namespace.name")
    assert [request.resource[name] for name in named] == ["help", "shop", "test", "acme"]


def test_a_bot_that_nobody_traces_loads_nothing_of_it() -> None:
    script = (
        "import sys, smarter_runtime.__main__\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'google', 'requests'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        pytest.param(ProviderConfig(name="main", type="OpenAI"), "openai", id="openai"),
        pytest.param(ProviderConfig(name="main", type="AzureOpenAI"), "azure.ai.openai", id="azure"),
        pytest.param(ProviderConfig(name="main", type="Google"), "gcp.gen_ai", id="google"),
        pytest.param(
            ProviderConfig(name="main", type="LangChain", langchain=LangChainConfig(provider="bedrock_converse")),
            "aws.bedrock",
            id="bedrock-behind-langchain",
        ),
        pytest.param(
            ProviderConfig(name="main", type="LangChain", langchain=LangChainConfig(provider="perplexity")),
            "perplexity",
            id="another-behind-langchain",
        ),
    ],
)
def test_providers_have_the_names_of_the_conventions(provider: ProviderConfig, name: str) -> None:
    finished = Round(
        provider="main",
        parameters=Parameters(model="gpt"),
        usage=Usage(),
        seconds=1,
        first_seconds=None,
        failure="",
    )
    said = of_round(finished, config(providers={"main": provider}))
    assert said["gen_ai.provider.name"] == name
    assert "server.address" not in said
