"""Bots that keep conversations and usage in a real Store: what pods share and do not lose, also while it is away."""

import asyncio
import secrets
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from cli import test_run as on_this_machine
from runtime.books import records, stored
from runtime.support import Running, config, delta, lines, played, running, says, until, write_session_key
from runtime.talking import call, talk
from runtime.test_kill import SLOW, ask, kill, session, settings, usage
from runtime.test_process import process
from servers.pods import away, store_in, two_pods
from smarter_crds.runtime_config import ConversationsConfig
from smarter_crds.usage import UsageRecord
from smarter_runtime.conversations.talk import HEADER
from smarter_runtime.limits import utc_now
from support import manifests
from support.postgresql import PostgreSQL
from support.redis_server import Redis
from support.stores import TestStore

Server = Redis | PostgreSQL


async def said(bot: Running, conversation: str) -> list[tuple[str, str]]:
    """Return the questions of a conversation, and how their answers stand."""
    status, body = await call(bot, "GET", f"/{conversation}")
    assert status == 200
    pairs = zip(body["messages"][::2], body["messages"][1::2], strict=True)
    return [(question["content"], answer["status"]) for question, answer in pairs]


async def arrived(*pods: Running) -> list[UsageRecord]:
    """Return the records in the Store, when everything that is on its way to it is there."""
    for each in pods:
        await each.services.keeping.recorder.close()
        assert await each.services.keeping.forwarder.send()
    return await stored(pods[0].services)


async def test_a_conversation_goes_on_at_any_pod_and_is_erased_at_any_pod(server: Server, tmp_path: Path) -> None:
    async with two_pods(server, tmp_path) as (first, second):
        # Both pods sign with the same key.
        second.token = first.token
        id_ = (await talk(first, "One")).headers[HEADER]
        assert (await talk(second, "Two", id_)).status == 200
        assert (await talk(first, "Three", id_, stream=True)).status == 200
        for pod in (first, second):
            assert await said(pod, id_) == [("One", "Complete"), ("Two", "Complete"), ("Three", "Complete")]
            assert [each["id"] for each in (await call(pod, "GET"))[1]["conversations"]] == [id_]
        assert (await call(second, "DELETE", f"/{id_}"))[0] == 204
        assert (await call(first, "GET", f"/{id_}"))[0] == 404
        assert (await talk(first, "Four", id_)).status == 404
        assert len(await arrived(first, second)) == 3


async def test_requests_to_one_conversation_at_all_pods_come_one_after_the_other(
    server: Server, tmp_path: Path
) -> None:
    async with two_pods(server, tmp_path, {"conversation_wait_seconds": 60}) as pods:
        pods[1].token = pods[0].token
        id_ = (await talk(pods[0], "Zero")).headers[HEADER]
        asked = [f"Question {number}" for number in range(8)]
        answers = await asyncio.gather(*(talk(pods[number % 2], text, id_) for number, text in enumerate(asked)))
        assert {each.status for each in answers} == {200}
        found = await said(pods[0], id_)
        assert found[0] == ("Zero", "Complete")
        assert sorted(found[1:]) == [(text, "Complete") for text in asked]
        assert len(await arrived(pods[0], pods[1])) == 9


async def test_what_is_too_old_is_erased_by_any_pod(server: Server, tmp_path: Path) -> None:
    now = utc_now()
    store = store_in(server, tmp_path)
    document = config(store=store.config, conversations=ConversationsConfig(retention_days=7))
    async with running(tmp_path, document, lambda: now) as bot:
        old, used = [(await talk(bot, text)).headers[HEADER] for text in ("old", "used")]
        now += timedelta(days=6)
        await talk(bot, "again", used)
        now += timedelta(days=1, seconds=1)
        await bot.services.housekeeping.once(bot.services.bot())
        assert (await call(bot, "GET", f"/{old}"))[0] == 404
        assert [text for text, _ in await said(bot, used)] == ["used", "again"]


async def test_while_the_store_is_away_only_stored_conversations_are_not_served(server: Server, tmp_path: Path) -> None:
    store = store_in(server, tmp_path)
    async with running(tmp_path, config(store=store.config), utc_now) as bot:
        bot.services.stores.retry_seconds = 0
        id_ = (await talk(bot, "One")).headers[HEADER]
        with away(server):
            for refused in (await talk(bot, "Two", id_), await talk(bot, "New")):
                assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
                assert (await refused.json())["error"]["code"] == "store_unavailable"
            for method, path in (("GET", ""), ("GET", f"/{id_}"), ("DELETE", f"/{id_}"), ("DELETE", "")):
                assert (await call(bot, method, path))[0] == 503
            assert (await bot.chat("without a conversation")).status == 200
            (problem,) = (await bot.status())["problems"]
            assert (problem["reason"], problem["resource"]) == ("StoreUnreachable", {"kind": "Store", "name": "main"})
            assert len(records(bot.services)) == 1
        assert (await talk(bot, "Two", id_)).status == 200
        assert await said(bot, id_) == [("One", "Complete"), ("Two", "Complete")]
        assert (await bot.status())["problems"] == []
        assert bot.services.places.given == len(await arrived(bot)) == 3


async def test_an_answer_is_finished_although_the_store_goes_away_meanwhile(server: Server, tmp_path: Path) -> None:
    store, gone = store_in(server, tmp_path), asyncio.Event()

    async def halfway(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="Half, "), done=False))
        await gone.wait()
        await response.write(lines(delta(content="whole."), delta("stop")))
        return response

    now = utc_now()
    clock: dict[str, Any] = {"clock": lambda: now}
    async with played(tmp_path, halfway, says("Again."), store=store.config, settings=clock) as (bot, provider):
        bot.services.stores.retry_seconds = 0
        asking = asyncio.create_task(talk(bot, "One", stream=True))
        await until(lambda: provider.bodies)
        await until(lambda: bot.services.keeping.stored_usage and bot.services.places.taken)
        with away(server):
            gone.set()
            answer = await asking
            assert (answer.status, "whole." in await answer.text()) == (200, True)
        # Nobody could note that the turn is over: it is given up after a while.
        now += timedelta(minutes=2)
        assert await said(bot, answer.headers[HEADER]) == [("One", "Failed")]
        assert (await talk(bot, "One", answer.headers[HEADER])).status == 200
        assert await said(bot, answer.headers[HEADER]) == [("One", "Complete")]
        assert [record.status for record in await arrived(bot)] == ["Complete", "Complete"]


def pod(store: TestStore, tmp_path: Path, **changes: Any) -> dict[str, str]:
    """Write what a process of a bot with a Store needs; returns its variables."""
    write_session_key(store.secrets)
    variables = settings(tmp_path, store=store.config, **changes)
    return {**variables, "SMARTER_SECRETS_DIRECTORY": str(store.secrets)}


def under_way(server: Server, store: TestStore) -> int:
    """Return how many answers are being made, as the Store knows it."""
    if isinstance(server, Redis):
        return int(server.command("ZCARD", "smarter:{uid-of-support}:usage:open"))
    return int(server.sql("select count(*) from smarter_usage where until_ms > 0", store.config.database))


def finals(server: Server, store: TestStore) -> int:
    """Return how many final records are in the Store."""
    if isinstance(server, Redis):
        return sum(int(server.command("ZCARD", key)) for key in server.command("KEYS", "smarter:*:usage:final").split())
    return int(server.sql("select count(*) from smarter_usage where until_ms = 0", store.config.database))


def are_in(server: Server, store: TestStore, count: int) -> bool:
    return finals(server, store) == count


async def finished(http: aiohttp.ClientSession, api: str, headers: dict[str, str], text: str = "hello") -> str:
    async with ask(http, api, headers, text) as response:
        assert response.status == 200
        id_: str = (await response.json())["id"]
        return id_


async def test_nothing_is_lost_with_a_pod_and_its_volume(server: Server, tmp_path: Path) -> None:
    store = store_in(server, tmp_path)
    variables = pod(store, tmp_path)
    answers: set[str] = set()
    for _ in range(3):
        async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
            headers = await session(http, api)
            answers |= set(await asyncio.gather(*(finished(http, api, headers) for _ in range(20))))
            async with ask(http, api, headers | {HEADER: "new"}, "kept") as response:
                answers.add((await response.json())["id"])
                conversation = response.headers[HEADER]
            # On a busy machine the Store may take longer than an answer waits for it.
            await until(partial(are_in, server, store, len(answers)))
            await kill(started)
        shutil.rmtree(tmp_path / "data")
    async with process(tmp_path / "config", **variables) as (_, api, status), aiohttp.ClientSession() as http:
        found = await usage(http, status)
        assert len(found) == 63
        assert {each["id"] for each in found} == answers
        headers = await session(http, api)
        async with ask(http, api, headers | {HEADER: conversation}, "go on") as response:
            assert response.status == 200
        async with http.get(f"{api}/app/v1/conversations/{conversation}", headers=headers) as response:
            messages = (await response.json())["messages"]
        assert [each["status"] for each in messages if each["role"] == "assistant"] == ["Complete", "Complete"]


async def test_an_answer_that_was_cut_short_with_a_pod_and_its_volume_is_on_record(
    server: Server, tmp_path: Path
) -> None:
    store, now = store_in(server, tmp_path), utc_now()
    variables = pod(store, tmp_path, model=SLOW)
    shutil.copytree(store.secrets, tmp_path / "other" / "secrets")
    async with running(tmp_path / "other", config(store=store.config), lambda: now) as other:
        assert await stored(other.services) == []
        async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
            headers = await session(http, api)
            going_on = await ask(http, api, headers, "cut off " + "word " * 500, stream=True)
            await until(lambda: under_way(server, store))
            await kill(started)
            going_on.close()
        shutil.rmtree(tmp_path / "data")
        now += timedelta(hours=1)
        await other.services.housekeeping.once(other.services.bot())
        (record,) = await stored(other.services)
        assert (record.status, record.usage_source, record.input_tokens > 500) == ("Lost", "Estimated", True)


async def test_a_killed_process_loses_no_record_that_waited_for_the_store(server: Server, tmp_path: Path) -> None:
    variables = pod(store_in(server, tmp_path), tmp_path)
    async with process(tmp_path / "config", **variables) as (started, api, _), aiohttp.ClientSession() as http:
        headers = await session(http, api)
        answers = {await finished(http, api, headers)}
        with away(server):
            answers |= set(await asyncio.gather(*(finished(http, api, headers) for _ in range(10))))
            await kill(started)
    async with process(tmp_path / "config", **variables) as (_, _, status), aiohttp.ClientSession() as http:
        found = await usage(http, status)
    assert len(found) == 11
    assert {each["id"] for each in found} == answers


async def test_records_move_to_the_store_that_a_bot_gets_and_conversations_stay_where_they_are(
    server: Server, tmp_path: Path
) -> None:
    store = store_in(server, tmp_path)
    async with running(tmp_path, config(), utc_now) as bot:
        inside = (await talk(bot, "in the pod")).headers[HEADER]
        await bot.reload(config(store=store.config))
        assert (await talk(bot, "more", inside)).status == 404
        outside = (await talk(bot, "in the Store")).headers[HEADER]
        assert len(await arrived(bot)) == 2
        await bot.reload(config())
        assert (await talk(bot, "more", inside)).status == 200
        assert (await talk(bot, "more", outside)).status == 404
        await bot.reload(config(store=store.config))
        assert (await talk(bot, "more", outside)).status == 200


async def test_a_bot_with_a_store_needs_no_volume(server: Server, tmp_path: Path) -> None:
    store = store_in(server, tmp_path)
    (tmp_path / "data").write_text("in the place of a folder")
    async with running(tmp_path, config(store=store.config), utc_now) as bot:
        id_ = (await talk(bot, "One")).headers[HEADER]
        assert (await talk(bot, "Two", id_)).status == 200
        assert len(await arrived(bot)) == 2


async def test_a_bot_on_ones_own_machine_uses_its_store_if_asked_to(server: Server, tmp_path: Path) -> None:
    store = store_in(server, tmp_path)
    where: dict[str, Any] = {
        "type": store.config.type,
        "host": "localhost",
        "port": store.config.port,
        "database": store.config.database,
        "allowedCIDRs": ["127.0.0.0/8"],
        "credentialsSecret": {"name": "login"},
        "tls": {"caSecret": {"name": "login", "key": "ca"}},
    }
    login = {path.name: path.read_text(encoding="utf-8") for path in store.secrets.iterdir()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": "acme"},
        "stringData": login,
    }
    bot = manifests.chatbot(storeRef={"name": "main"})
    file = on_this_machine.write(tmp_path / "bot.yaml", bot, manifests.provider(), manifests.store(**where), secret)
    for _ in range(2):
        folder = tmp_path / secrets.token_hex(4)
        folder.mkdir()
        async with on_this_machine.running("-f", str(file), "--with-store", folder=folder) as (command, address):
            assert await on_this_machine.ask(address, "hello?")
            assert not [line for line in command.said if "tore" in line]
    assert finals(server, store) == 2
