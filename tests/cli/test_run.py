"""`smarter run` as a person uses it: a process, files that change, and a client that asks."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner
from openai import AsyncOpenAI

from smarter_cli.cli import smarter
from support.manifests import chatbot, plugin, provider

Manifest = dict[str, Any]
SAMPLES = Path(__file__).parents[2] / "docs" / "samples"

DEMO = [chatbot(plugins=[{"name": "returns"}]), provider(), plugin()]
OPENAI = provider(
    type="OpenAICompatible",
    baseUrl="http://127.0.0.1:1/v1",
    defaultModel="m",
    allowedCIDRs=["127.0.0.0/8"],
    apiKeySecret={"name": "my-provider", "key": "api-key"},
)


def write(path: Path, *manifests: Manifest) -> Path:
    path.write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    return path


class Running:
    """The command while it runs; `said` is what a person reads."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []
        self._new = asyncio.Event()
        self._readers = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]

    async def line(self, part: str) -> str:
        """Wait until a line with `part` is printed."""
        async with asyncio.timeout(60):
            while True:
                self._new.clear()
                if found := next((line for line in self.said if part in line), None):
                    return found
                await self._new.wait()

    async def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            await self.process.wait()
        await asyncio.gather(*self._readers)
        assert self.process.returncode is not None
        return self.process.returncode

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        async for line in stream:
            self.said.append(line.decode().rstrip())
            self._new.set()


@asynccontextmanager
async def running(*arguments: str, folder: Path, **variables: str) -> AsyncIterator[tuple[Running, str]]:
    """Run `smarter run` in `folder`; yields it with the address that it prints."""
    scratch = folder / "scratch"
    scratch.mkdir()
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(scratch), **variables}  # noqa: TID251
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smarter_cli", "run", "--port", "0", *arguments,
        stdout=PIPE, stderr=PIPE, cwd=folder, env=environment,
    )  # fmt: skip
    started = Running(process)
    try:
        address = (await started.line("answers at ")).rsplit(" ", 1)[1]
        yield started, address
    finally:
        code = await started.end()
    assert code == 0, started.said
    assert list(scratch.iterdir()) == [], "files with the values of Secrets were left behind"


async def ask(address: str, question: str, bot: str = "support") -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{address}/app/v1/session", json={}, headers={"Origin": address}) as response,
    ):
        token = (await response.json())["token"]
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0) as client:
        answer = await client.chat.completions.create(model=bot, messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content or ""


async def test_a_bot_answers_with_what_its_plugin_knows_and_an_edit_is_live_at_once(tmp_path: Path) -> None:
    file = write(tmp_path / "bot.yaml", *DEMO)
    async with running("-f", str(file), folder=tmp_path) as (command, address):
        assert "30 days" in await ask(address, "What is the window for returns?")
        write(file, *DEMO[:2], plugin(static={"data": {"window": "77 days"}}))
        await command.line("bot.yaml changed: live after")
        assert "77 days" in await ask(address, "What is the window for returns?")


async def test_a_conversation_is_kept_as_long_as_the_command_runs(tmp_path: Path) -> None:
    file = write(tmp_path / "bot.yaml", *DEMO)
    async with running("-f", str(file), folder=tmp_path) as (command, address), aiohttp.ClientSession() as http:
        async with http.post(f"{address}/app/v1/session", json={}, headers={"Origin": address}) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
        body = {"messages": [{"role": "user", "content": "What is the window for returns?"}]}
        asked = headers | {"Smarter-Conversation": "new"}
        async with http.post(f"{address}/v1/chat/completions", json=body, headers=asked) as response:
            id_ = response.headers["Smarter-Conversation"]
        async with http.get(f"{address}/app/v1/conversations/{id_}", headers=headers) as response:
            question, answer = (await response.json())["messages"]
        assert question["content"] == "What is the window for returns?"
        assert "30 days" in answer["content"]
        assert not [line for line in command.said if "store" in line]


async def test_a_broken_edit_is_told_and_what_was_served_goes_on_until_it_is_mended(tmp_path: Path) -> None:
    file = write(tmp_path / "bot.yaml", *DEMO)
    async with running("-f", str(tmp_path), folder=tmp_path) as (command, address):
        file.write_text("kind: [}", encoding="utf-8")
        assert "bot.yaml, line 1 is not YAML" in await command.line("what was served before goes on")
        assert "30 days" in await ask(address, "What is the window for returns?")
        write(file, *DEMO[:2])
        assert "Plugin 'returns' is not in namespace" in await command.line("Plugin 'returns'")
        assert "30 days" not in await ask(address, "What is the window for returns?")


@asynccontextmanager
async def provider_that_tells_the_key() -> AsyncIterator[tuple[str, list[str]]]:
    seen: list[str] = []

    async def complete(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(
            b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]}\n\n'
            b"data: [DONE]\n\n"
        )
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", seen
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("file", "variables", "secret", "key"),
    [
        pytest.param("MY_PROVIDER_API_KEY=of-file", {}, {}, "of-file", id="of-the-file"),
        pytest.param(
            "MY_PROVIDER_API_KEY=of-file", {"MY_PROVIDER_API_KEY": "of-shell"}, {}, "of-shell", id="environment-first"
        ),
        pytest.param(
            "", {"MY_PROVIDER_API_KEY": "of-shell"}, {"stringData": {"api-key": "plain"}}, "plain", id="plain"
        ),
        pytest.param("", {}, {"data": {"api-key": "ZW5jb2RlZA=="}}, "encoded", id="encoded"),
    ],
)
async def test_the_value_of_a_secret_comes_from_a_manifest_or_a_variable(
    tmp_path: Path, file: str, variables: dict[str, str], secret: Manifest, key: str
) -> None:
    (tmp_path / ".env").write_text(file, encoding="utf-8")
    async with provider_that_tells_the_key() as (url, seen):
        spec = {**OPENAI["spec"], "baseUrl": url}
        manifests = [chatbot(), {**OPENAI, "spec": spec}]
        if secret:
            manifests.append(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": OPENAI["metadata"] | {"name": "my-provider"},
                    **secret,
                }
            )
        bot = write(tmp_path / "bot.yaml", *manifests)
        async with running("-f", str(bot), folder=tmp_path, **variables) as (command, address):
            assert await ask(address, "hello?") == "hello"
            assert key not in "".join(command.said)
    assert seen == [f"Bearer {key}"]


async def test_a_secret_that_nobody_knows_is_told_with_the_variable_to_set_and_taken_in_when_it_is_there(
    tmp_path: Path,
) -> None:
    async with provider_that_tells_the_key() as (url, seen):
        bot = write(tmp_path / "bot.yaml", chatbot(), {**OPENAI, "spec": {**OPENAI["spec"], "baseUrl": url}})
        async with running("-f", str(bot), folder=tmp_path) as (command, address):
            await command.line("set MY_PROVIDER_API_KEY in the environment or in .env")
            (tmp_path / ".env").write_text("MY_PROVIDER_API_KEY=late\n", encoding="utf-8")
            await command.line(".env changed")
            assert await ask(address, "hello?") == "hello"
    assert seen == ["Bearer late"]


async def test_what_means_something_in_a_cluster_only_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    exposure = {"type": "Ingress", "hosts": ["support.example"], "tls": {"mode": "Issuer"}}
    shared: dict[str, Any] = {"scaling": {"type": "Fixed", "replicas": 3}, "storeRef": {"name": "main"}}
    bot = chatbot(exposure=exposure, state="Offline", **shared)
    file = write(tmp_path / "bot.yaml", bot, provider())
    async with running("-f", str(file), folder=tmp_path) as (command, address):
        await command.line("`spec.exposure` has no effect here: the bot is served on this machine only.")
        await command.line("`spec.scaling` has no effect here: one process serves the bot.")
        await command.line("`spec.storeRef` has no effect here: conversations and counts are kept in the process")
        await command.line("`spec.state` is Offline; here the bot is served all the same.")
        assert await ask(address, "hello?")


@pytest.mark.parametrize(
    ("manifests", "arguments", "said"),
    [
        pytest.param([], (), "The files hold no Chatbot", id="no-chatbot"),
        pytest.param(
            [chatbot("one", "shop"), chatbot("two", "shop"), provider(namespace="shop")], (),
            "several Chatbots (shop/one, shop/two); choose one with `--chatbot`", id="several",
        ),
        pytest.param(
            [chatbot("one", "shop")], ("--chatbot", "three"), "no Chatbot 'three' in the files; there are: shop/one",
            id="no-such",
        ),
        pytest.param([chatbot(), chatbot()], (), "Chatbot 'support' is there twice, in ", id="twice"),
        pytest.param([chatbot(modle={})], (), "Chatbot 'support' has no field `spec.modle`", id="unknown-field"),
        pytest.param([{**chatbot(), "kind": "Chatbott"}], (), "there is no kind 'Chatbott'", id="unknown-kind"),
        pytest.param([{**chatbot(), "apiVersion": "smarter.sh/v1"}], (), "use smarter.sh/v1alpha1", id="version"),
        pytest.param([{"kind": "Chatbot"}], (), "without `apiVersion` and `kind`", id="no-resource"),
        pytest.param(
            [{**chatbot(), "metadata": {}}], (), "a Chatbot has no `metadata.name`; add one.", id="nameless"
        ),
        pytest.param([chatbot()], (), "Provider 'demo' is not in namespace", id="refused-by-compile"),
        pytest.param(
            [chatbot(storeRef={"name": "main"}), provider()], ("--with-store",),
            "Store 'main' is not in namespace 'acme'", id="no-store",
        ),
        pytest.param([chatbot(systemPrompt="")], (), "`spec.systemPrompt` is not valid", id="invalid"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_an_error_that_says_why(
    tmp_path: Path, manifests: list[Manifest], arguments: tuple[str, ...], said: str
) -> None:
    file = write(tmp_path / "bot.yaml", *manifests)
    result = CliRunner().invoke(smarter, ["run", "-f", str(file), "--port", "0", *arguments])
    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda _: None, "does not exist", id="missing"),
        pytest.param(lambda path: path.mkdir(), "holds no file that ends in .yaml", id="empty-folder"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe\xfa"), "is not text in UTF-8", id="no-text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    make(tmp_path / "bot.yaml")
    result = CliRunner().invoke(smarter, ["run", "-f", str(tmp_path / "bot.yaml"), "--port", "0"])
    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "bot.yaml", *DEMO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(smarter, ["run", "-f", str(file), "--port", port])
    assert (result.exit_code, f"Cannot listen on port {port}" in result.stderr) == (1, True), result.stderr


async def test_a_bot_calls_an_api_with_a_token_from_the_env_file(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def latest(request: web.Request) -> web.StreamResponse:
        seen.append((request.path_qs, request.headers.get("Authorization", "")))
        return web.json_response({"amount": 1.0, "base": "EUR", "date": "2026-03-13", "rates": {"USD": 1.0812}})

    app = web.Application()
    app.router.add_get("/v1/latest", latest)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sample = list(yaml.safe_load_all((SAMPLES / "exchange-rates.yaml").read_text(encoding="utf-8")))
    [connection] = [manifest for manifest in sample if manifest["kind"] == "ApiConnection"]
    connection["spec"] = {
        "baseUrl": f"http://127.0.0.1:{runner.addresses[0][1]}/v1",
        "allowedCIDRs": ["127.0.0.0/8"],
        "auth": {"type": "Bearer", "tokenSecret": {"name": "rates", "key": "token"}},
    }
    (tmp_path / ".env").write_text("RATES_TOKEN=s3cret-of-rates\n", encoding="utf-8")
    try:
        async with running("-f", str(write(tmp_path / "bot.yaml", *sample)), folder=tmp_path) as (command, address):
            said = await ask(address, "What is the exchange rate of USD?", bot="money")
            assert "s3cret" not in "".join(command.said)
    finally:
        await runner.cleanup()
    assert said == "According to exchange-rates: date: 2026-03-13; rates, USD: 1.0812."
    assert seen == [("/v1/latest?base=EUR&symbols=USD", "Bearer s3cret-of-rates")]


async def test_the_demo_model_asks_the_database_of_the_sample(tmp_path: Path) -> None:
    sample = SAMPLES / "shop-database"
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        db.executescript((sample / "shop.sql").read_text(encoding="utf-8"))
    async with running("-f", str(sample), folder=tmp_path) as (_, address):
        said = {question: await ask(address, question, bot="shop") for question in SHOP}
    assert said == SHOP


SHOP = {
    "Where is my order 1001?": (
        "According to orders: id: 1001, state: shipped, shipped_at: 2026-03-12, product: Runner 3."
    ),
    "Track my package 1002": "According to orders: id: 1002, state: packed, product: Trail Pro.",
    "Where is my order 4711?": "According to orders: Nothing was found.",
    "Which boots are in stock?": "According to stock: name: Trail Pro, price: 149.5, pieces: 3.",
    "What shoes are in stock?": (
        "According to stock: name: Beach, price: 35.0, pieces: 0; name: Runner 3, price: 89.0, pieces: 12; "
        "name: Trail Pro, price: 149.5, pieces: 3."
    ),
}


def config_map(name: str, key: str, text: str, label: str = "true") -> Manifest:
    metadata = {"name": name, "namespace": "acme", "labels": {"smarter.sh/watch": label}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


async def test_data_of_a_config_map_in_the_files_is_served_and_an_edit_of_it_is_live_at_once(tmp_path: Path) -> None:
    kept = plugin(static={"dataFrom": {"configMapKeyRef": {"name": "facts", "key": "data"}}})
    bot = chatbot(
        plugins=[{"name": "returns"}], systemPromptFrom={"configMapKeyRef": {"name": "texts", "key": "prompt"}}
    )
    del bot["spec"]["systemPrompt"]
    write(tmp_path / "bot.yaml", bot, provider(), kept, config_map("texts", "prompt", "You are brief."))
    facts = write(tmp_path / "facts.yaml", config_map("facts", "data", "window: 30 days"))
    async with running("-f", str(tmp_path), folder=tmp_path) as (command, address):
        assert "30 days" in await ask(address, "What is the window for returns?")
        write(facts, config_map("facts", "data", '{"window": "77 days"}'))
        await command.line("facts.yaml changed: live after")
        assert "77 days" in await ask(address, "What is the window for returns?")
        write(facts, config_map("facts", "data", "a: b: c"))
        assert "line 1: mapping values" in await command.line("Key 'data' of ConfigMap 'facts'")
        write(facts, config_map("facts", "data", "window: 1 day", label="false"))
        await command.line("use `kubectl label configmap facts smarter.sh/watch=true`")
