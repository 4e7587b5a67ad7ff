"""A whole bot with an API tool: what the model, the client, the status and the metrics see."""

import asyncio
import json
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from runtime.api_server import answers, api, auth, parameter, plugin
from runtime.support import call, calls, config, running, says, scripted, write
from smarter_crds.runtime_config import RuntimeConfig, to_json

ORDER = plugin(parameter("order_id", "Integer", required=True), path="/orders/{order_id}")
ASKS = calls(call('{"order_id": 7}', id_="c1", name="orders"))


async def test_the_model_gets_what_the_api_says(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api(answers({"state": "sent"})))
        provider = await stack.enter_async_context(scripted(ASKS, says("It is on its way.")))
        document = config(providers=provider.config(), plugins=(ORDER,), api_connections={"erp": server.connection()})
        bot = await stack.enter_async_context(running(tmp_path, document))
        answer = await (await bot.chat("Where is order 7?")).json()
        assert 'smarter_tool_calls_total{plugin="orders",result="ok"} 1.0' in await bot.metrics()
    assert answer["choices"][0]["message"]["content"] == "It is on its way."
    assert [seen.target for seen in server.seen] == ["/orders/7"]
    offered = provider.bodies[0]["tools"][0]["function"]
    assert offered == {
        "name": "orders",
        "description": "Looks up orders.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "integer", "description": "The order_id."}},
            "required": ["order_id"],
            "additionalProperties": False,
        },
    }
    assert provider.bodies[1]["messages"][-1]["content"] == '{"state":"sent"}'


async def test_a_connection_in_trouble_is_on_the_status_and_nothing_secret_in_any_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("s3cret-of-the-shop")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api(answers({"you": "s3cret-of-the-shop"}, 401), answers({})))
        provider = await stack.enter_async_context(scripted(ASKS, says("Sorry."), ASKS, says("Here.")))
        connection = server.connection(auth=auth("Bearer", secret_file="token"))
        document = config(providers=provider.config(), plugins=(ORDER,), api_connections={"erp": connection})
        bot = await stack.enter_async_context(running(tmp_path, document))
        assert (await bot.status())["problems"] == []
        assert (await bot.chat("order 7?")).status == 200
        told = (await bot.status())["problems"]
        assert told == [
            {
                "reason": "LoginRefused",
                "message": f"ApiConnection 'erp': {server.url} does not accept the credentials of `spec.auth`.",
                "resource": {"kind": "ApiConnection", "name": "erp"},
            }
        ]
        assert (await bot.chat("and now?")).status == 200
        assert (await bot.status())["problems"] == []
    assert provider.bodies[1]["messages"][-1]["content"] == "The API of this tool cannot be reached at the moment."
    assert "s3cret" not in caplog.text
    assert "s3cret" not in json.dumps(provider.bodies)


async def test_a_missing_secret_is_known_before_anybody_asks(tmp_path: Path) -> None:
    async with api() as server:
        connection = server.connection(auth=auth("Bearer", secret_file="token"))
        document = config(plugins=(ORDER,), api_connections={"erp": connection})
        async with running(tmp_path, document) as bot:
            [problem] = (await bot.status())["problems"]
    assert (problem["reason"], problem["resource"]) == ("SecretMissing", {"kind": "ApiConnection", "name": "erp"})


async def test_connections_live_through_a_config_that_does_not_change_them(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api(answers({})))
        other = await stack.enter_async_context(api(answers({})))
        provider = await stack.enter_async_context(scripted(*[ASKS, says("ok")] * 3))

        def document(text: str, url: str) -> RuntimeConfig:
            connections = {"erp": server.connection(base_url=url)}
            return config(
                providers=provider.config(), plugins=(ORDER,), api_connections=connections, system_prompt=text
            )

        bot = await stack.enter_async_context(running(tmp_path, document("a", server.url)))
        for text, url in (("a", server.url), ("b", server.url), ("b", other.url)):
            write(tmp_path / "config", document(text, url))
            await bot.runtime.refresh()
            assert (await bot.chat("order 7?")).status == 200
        assert (len(server.seen), len(other.seen)) == (2, 1)
        assert server.seen[0].port == server.seen[1].port


async def test_an_answer_under_way_keeps_its_connection_to_the_end(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go_on.wait()
        return await answers({"late": True})(request)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api(slow))
        provider = await stack.enter_async_context(scripted(ASKS, says("ok")))
        document = config(providers=provider.config(), plugins=(ORDER,), api_connections={"erp": server.connection()})
        bot = await stack.enter_async_context(running(tmp_path, document))
        asked = asyncio.create_task(bot.chat("order 7?"))
        await begun.wait()
        write(tmp_path / "config", config(providers=provider.config()))
        await bot.runtime.refresh()
        go_on.set()
        assert (await asked).status == 200
    assert provider.bodies[1]["messages"][-1]["content"] == '{"late":true}'


def test_a_bot_without_api_plugins_keeps_the_document_that_it_had() -> None:
    document = json.loads(to_json(config()))
    assert "apiConnections" not in document
    with_plugin = json.loads(to_json(config(plugins=(ORDER,))))
    assert with_plugin["plugins"][0]["api"]["path"] == "/orders/{order_id}"
