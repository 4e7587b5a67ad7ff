"""What the cluster does at the status port with a token: collect usage, erase a caller's conversations."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.books import records
from runtime.issuer import issuing, token
from runtime.support import Running, config, running
from runtime.talking import call, other_visitor, talk
from smarter_crds.runtime_config import RuntimeConfig
from smarter_crds.usage import UsageRecord
from smarter_runtime.conversations.talk import HEADER, owner_digest
from support.conversation_suite import question

TOKEN = "a-token-of-the-platform"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def opened(*tokens: str) -> RuntimeConfig:
    return config(status_tokens=tuple(digest(token) for token in tokens or (TOKEN,)))


async def ask(bot: Running, method: str, path: str, token: str = TOKEN, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with bot.http.request(method, f"{bot.status_url}{path}", headers=headers, json=body) as response:
        return response.status, json.loads(await response.read())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/usage"), ("POST", "/usage/acknowledge"), ("DELETE", "/conversations?visitor=x")],
)
@pytest.mark.parametrize(
    ("tokens", "given", "status", "code"),
    [
        pytest.param((TOKEN,), "", 401, "invalid_status_token", id="no-token"),
        pytest.param((TOKEN,), "another", 401, "invalid_status_token", id="wrong-token"),
        pytest.param((TOKEN,), digest(TOKEN), 401, "invalid_status_token", id="digest-instead-of-token"),
        pytest.param((), TOKEN, 403, "no_status_token", id="none-is-set"),
    ],
)
async def test_nobody_gets_in_without_a_token(
    tmp_path: Path, method: str, path: str, tokens: tuple[str, ...], given: str, status: int, code: str
) -> None:
    document = config(status_tokens=tuple(digest(token) for token in tokens))
    async with running(tmp_path, document) as bot:
        await bot.chat("hello")
        found, body = await ask(bot, method, path, given, {"ids": []})
        assert (found, body["error"]["code"]) == (status, code)
        async with bot.http.request(
            method, f"{bot.url}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
        ) as outside:
            assert outside.status == 404


async def test_two_tokens_open_it_while_one_replaces_the_other(tmp_path: Path) -> None:
    async with running(tmp_path, opened("old", "new")) as bot:
        assert [(await ask(bot, "GET", "/usage", token))[0] for token in ("old", "new")] == [200, 200]
        await bot.reload(opened("new"))
        assert [(await ask(bot, "GET", "/usage", token))[0] for token in ("old", "new")] == [401, 200]


async def test_records_are_collected_page_by_page_and_acknowledged(tmp_path: Path) -> None:
    async with running(tmp_path, opened()) as bot:
        for number in range(5):
            await bot.chat(f"hello {number}", stream=number % 2 == 0)
        collected: list[UsageRecord] = []
        sizes, after = [], 0
        while True:
            status, page = await ask(bot, "GET", f"/usage?after={after}&limit=2")
            assert status == 200
            collected += [UsageRecord.model_validate(each) for each in page["records"]]
            sizes.append(len(page["records"]))
            if page["next"] is None:
                break
            after = page["next"]
        assert (sizes, collected) == ([2, 2, 1], records(bot.services))
        ids = [record.id for record in collected[:3]]
        assert await ask(bot, "POST", "/usage/acknowledge", body={"ids": ids}) == (200, {"acknowledged": 3})
        assert await ask(bot, "POST", "/usage/acknowledge", body={"ids": ids}) == (200, {"acknowledged": 0})
        _, rest = await ask(bot, "GET", "/usage")
        assert [each["id"] for each in rest["records"]] == [record.id for record in collected[3:]]
        assert rest["next"] is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="no-ids"),
        pytest.param({"ids": "a"}, id="text"),
        pytest.param({"ids": [1]}, id="numbers"),
        pytest.param({"ids": ["a"] * 1001}, id="too-many"),
    ],
)
async def test_what_is_acknowledged_is_a_list_of_ids(tmp_path: Path, body: Any) -> None:
    async with running(tmp_path, opened()) as bot:
        status, answer = await ask(bot, "POST", "/usage/acknowledge", body=body)
        assert (status, answer["error"]["type"]) == ((400 if body is not None else 415), "invalid_request_error")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=" + "9" * 500])
async def test_a_page_has_bounds(tmp_path: Path, query: str) -> None:
    async with running(tmp_path, opened()) as bot:
        assert (await ask(bot, "GET", f"/usage?{query}"))[0] == 400


async def test_all_conversations_of_one_visitor_are_erased_for_him(tmp_path: Path) -> None:
    async with running(tmp_path, opened()) as bot:
        mine = [(await talk(bot, f"mine {number}")).headers[HEADER] for number in range(2)]
        visitor = bot.services.sessions.visitor(f"Bearer {bot.token}", "uid-of-support").id
        first, bot.token = bot.token, await other_visitor(bot)
        theirs = (await talk(bot, "theirs")).headers[HEADER]
        assert await ask(bot, "DELETE", f"/conversations?visitor={visitor}") == (200, {"erased": 2})
        assert await ask(bot, "DELETE", f"/conversations?visitor={visitor}") == (200, {"erased": 0})
        assert (await call(bot, "GET", f"/{mine[0]}", first))[0] == 404
        assert (await call(bot, "GET", f"/{theirs}"))[0] == 200


async def test_all_conversations_of_a_signed_identity_are_erased_for_it(tmp_path: Path) -> None:
    async with issuing() as issuer:
        document = opened().model_copy(update={"access": issuer.access()})
        async with running(tmp_path, document) as bot:
            for subject in ("ada", "bob"):
                bot.token = token(sub=subject)
                await talk(bot, f"I am {subject}")
            assert await ask(bot, "DELETE", "/conversations?subject=ada") == (200, {"erased": 1})
            assert len((await call(bot, "GET"))[1]["conversations"]) == 1
            assert (await call(bot, "GET", token=token(sub="ada")))[1]["conversations"] == []


async def test_all_conversations_of_a_key_are_erased_for_it(tmp_path: Path) -> None:
    async with running(tmp_path, opened()) as bot:
        store, owner = bot.services.keeping.conversations, owner_digest("uid-of-support/key:uid-1")
        await store.create("c", question(owner=owner))
        assert await ask(bot, "DELETE", "/conversations?key=uid-1") == (200, {"erased": 1})


@pytest.mark.parametrize(
    "query",
    ["?subject=ada", "", "?visitor=", "?visitor=a&key=b", "?visitor=a&key=", "?visitor=a&visitor=b", "?owner=a"],
)
async def test_whose_conversations_are_erased_must_be_said(tmp_path: Path, query: str) -> None:
    async with running(tmp_path, opened()) as bot:
        assert (await ask(bot, "DELETE", f"/conversations{query}"))[0] == 400
