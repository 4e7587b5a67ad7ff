"""Conversations that the server keeps: a client sends the new message only, and sees nobody else's."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.support import (
    NOW,
    Running,
    config,
    delta,
    lines,
    looks_up,
    played,
    plugin,
    refuses,
    running,
    says,
    stream,
)
from runtime.talking import call, other_visitor, talk
from smarter_crds.runtime_config import LimitsConfig
from smarter_runtime.conversations.talk import HEADER

ORDERS = plugin("orders", "SearchTerms", ("order",), role="Know orders.")
HATS = plugin("hats", "SearchTerms", ("hat",), role="Know hats.")


OPENAI = {"type": "OpenAI"}
"""Gets every message as it is; others get the system messages folded."""

served = partial(played, provider=OPENAI)


async def messages(bot: Running, conversation: str) -> list[tuple[str, str, str]]:
    status, body = await call(bot, "GET", f"/{conversation}")
    assert status == 200
    return [(each["role"], each["content"], each.get("status", "")) for each in body["messages"]]


def said(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a provider was sent, without the system prompt and the date."""
    return [(each["role"], each["content"]) for each in body["messages"][1:-1]]


async def test_a_client_sends_the_new_message_only_and_the_model_reads_the_whole_conversation(tmp_path: Path) -> None:
    async with served(tmp_path, says("Hello Ann!"), says("You are Ann.")) as (bot, provider):
        first = await talk(bot, "I am Ann.", stream=True)
        id_ = first.headers[HEADER]
        assert len(id_) == 22
        second = await talk(bot, "Who am I?", id_)
        assert (second.status, second.headers[HEADER]) == (200, id_)
        assert said(provider.bodies[1]) == [
            ("user", "I am Ann."),
            ("assistant", "Hello Ann!"),
            ("user", "Who am I?"),
        ]
        assert await messages(bot, id_) == [
            ("user", "I am Ann.", ""),
            ("assistant", "Hello Ann!", "Complete"),
            ("user", "Who am I?", ""),
            ("assistant", "You are Ann.", "Complete"),
        ]


async def test_responses_belong_to_conversations_as_well(tmp_path: Path) -> None:
    async with served(tmp_path, says("Hello Ann!"), says("You are Ann.")) as (bot, provider):
        headers = {"Authorization": f"Bearer {bot.token}", HEADER: "new"}
        async with bot.http.post(f"{bot.url}/v1/responses", json={"input": "I am Ann."}, headers=headers) as first:
            id_ = first.headers[HEADER]
        await talk(bot, "Who am I?", id_)
        assert said(provider.bodies[1]) == [
            ("user", "I am Ann."),
            ("assistant", "Hello Ann!"),
            ("user", "Who am I?"),
        ]


async def test_a_request_that_is_sent_twice_is_in_the_conversation_once(tmp_path: Path) -> None:
    async with served(tmp_path, says("Hello Ann!")) as (bot, _):
        body = {"messages": [{"role": "user", "content": "I am Ann."}]}
        first, second = [await bot.post(body, **{HEADER: "new", "Idempotency-Key": "once"}) for _ in range(2)]
        assert (second.headers[HEADER], second.headers["Idempotent-Replayed"]) == (first.headers[HEADER], "true")
        assert await messages(bot, first.headers[HEADER]) == [
            ("user", "I am Ann.", ""),
            ("assistant", "Hello Ann!", "Complete"),
        ]


async def test_without_the_header_nothing_is_stored(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.chat("something private")
        assert HEADER not in response.headers
        assert await call(bot, "GET") == (200, {"conversations": [], "next": None})
    assert b"something private" not in b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())


async def test_conversations_outlive_the_process(tmp_path: Path) -> None:
    document = config()
    async with running(tmp_path, document) as bot:
        id_ = (await talk(bot, "hello")).headers[HEADER]
        visitor = bot.services.sessions.visitor(f"Bearer {bot.token}", "uid-of-support").id
    async with running(tmp_path, document) as bot:
        headers = {"Origin": bot.url, "Cookie": f"smarter-visitor={visitor}"}
        bot.http.cookie_jar.clear()
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=headers) as response:
            bot.token = (await response.json())["token"]
        assert (await messages(bot, id_))[0] == ("user", "hello", "")
        assert (await talk(bot, "and again", id_)).status == 200
        assert len(await messages(bot, id_)) == 4


async def test_a_conversation_is_its_visitors(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        id_ = (await talk(bot, "hello")).headers[HEADER]
        mine, bot.token = bot.token, await other_visitor(bot)
        unknown = "x" * 22
        outcomes = [await talk(bot, "mine?", each) for each in (id_, unknown, "short", "a/../b", "x" * 5000)]
        assert [each.status for each in outcomes] == [404] * 5
        bodies = [await each.json() for each in outcomes]
        assert all(each == bodies[0] for each in bodies)
        for method in ("GET", "DELETE"):
            assert (await call(bot, method, f"/{id_}"))[0] == 404
            assert await call(bot, method, f"/{id_}") == await call(bot, method, f"/{unknown}")
        assert (await call(bot, "GET"))[1]["conversations"] == []
        assert (await call(bot, "GET", token=mine))[1]["conversations"][0]["id"] == id_
        assert (await call(bot, "GET", token="made-up"))[0] == 401


async def test_the_list_says_what_a_conversation_is_about_and_when_it_was(tmp_path: Path) -> None:
    now = NOW

    def clock() -> datetime:
        return now

    async with running(tmp_path, config(), clock) as bot:
        ids = []
        for number in range(3):
            now = NOW + timedelta(minutes=number)
            ids.append((await talk(bot, f"Question {number}\nwith more " + "text " * 40)).headers[HEADER])
        now = NOW + timedelta(hours=1)
        await talk(bot, "More", ids[0])
        _, page = await call(bot, "GET", "?limit=2")
        assert page["conversations"] == [
            {
                "id": ids[0],
                "title": "Question 0 with more text text text text text text text text text text text tex…",
                "createdAt": "2026-03-14T12:00:00.000+00:00",
                "updatedAt": "2026-03-14T13:00:00.000+00:00",
                "turns": 2,
            },
            {
                "id": ids[2],
                "title": "Question 2 with more text text text text text text text text text text text tex…",
                "createdAt": "2026-03-14T12:02:00.000+00:00",
                "updatedAt": "2026-03-14T12:02:00.000+00:00",
                "turns": 1,
            },
        ]
        _, rest = await call(bot, "GET", f"?limit=2&before={page['next']}")
        assert ([each["id"] for each in rest["conversations"]], rest["next"]) == ([ids[1]], None)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        pytest.param("?limit=0", "limit", id="none"),
        pytest.param("?limit=101", "limit", id="too-many"),
        pytest.param("?limit=ten", "limit", id="no-number"),
        pytest.param("?limit=" + "9" * 5000, "limit", id="long-number"),
        pytest.param("?before=1", "before", id="no-cursor"),
        pytest.param("/abc?before=0", "before", id="no-turn"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(tmp_path: Path, path: str, param: str) -> None:
    async with running(tmp_path, config()) as bot:
        status, body = await call(bot, "GET", path)
        assert (status, body["error"]["param"]) == (400, param)


async def test_a_long_conversation_is_read_from_its_end(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        id_ = (await talk(bot, "One")).headers[HEADER]
        for text in ("Two", "Three"):
            await talk(bot, text, id_)
        _, page = await call(bot, "GET", f"/{id_}?limit=2")
        assert [each["content"] for each in page["messages"] if each["role"] == "user"] == ["Two", "Three"]
        _, rest = await call(bot, "GET", f"/{id_}?limit=2&before={page['before']}")
        assert [each["content"] for each in rest["messages"] if each["role"] == "user"] == ["One"]
        assert rest["before"] is None


async def test_a_conversation_is_erased_and_everything_is(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        ids = [(await talk(bot, f"secret {number}")).headers[HEADER] for number in range(3)]
        assert await call(bot, "DELETE", f"/{ids[0]}") == (204, None)
        assert (await call(bot, "GET", f"/{ids[0]}"))[0] == 404
        assert (await talk(bot, "still there?", ids[0])).status == 404
        assert await call(bot, "DELETE") == (200, {"erased": 2})
        assert (await call(bot, "GET"))[1]["conversations"] == []
    assert b"secret " not in b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())


async def test_history_comes_from_the_server_or_from_the_client_and_not_from_both(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        body = {"messages": [{"role": "user", "content": text} for text in ("One", "Two")]}
        response = await bot.post(body, **{HEADER: "new"})
        assert (response.status, (await response.json())["error"]["code"]) == (400, "history_is_kept")
        assert (await call(bot, "GET"))[1]["conversations"] == []


async def test_selection_sticks_for_the_conversation_also_when_the_terms_change(tmp_path: Path) -> None:
    replies = [says(f"answer {number}") for number in range(4)]
    async with served(tmp_path, *replies, plugins=(ORDERS, HATS)) as (bot, provider):
        id_ = (await talk(bot, "Hello")).headers[HEADER]
        await talk(bot, "My order?", id_)
        changed = ORDERS.model_copy(update={"selector": ORDERS.selector.model_copy(update={"search_terms": ("x",)})})
        document = config(providers=provider.config(**OPENAI), plugins=(changed, HATS))
        await bot.reload(document)
        await talk(bot, "Thanks", id_)
        await talk(bot, "And a hat?", id_)
        assert [[tool["function"]["name"] for tool in body.get("tools", [])] for body in provider.bodies] == [
            [], ["orders"], ["orders"], ["hats", "orders"],
        ]  # fmt: skip
        assert provider.bodies[3]["messages"][:-1] == [
            {"role": "system", "content": "You are the support assistant of Acme."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "answer 0"},
            {"role": "system", "content": "Know orders."},
            {"role": "user", "content": "My order?"},
            {"role": "assistant", "content": "answer 1"},
            {"role": "user", "content": "Thanks"},
            {"role": "assistant", "content": "answer 2"},
            {"role": "system", "content": "Know hats."},
            {"role": "user", "content": "And a hat?"},
        ]


async def test_a_stored_conversation_is_answered_as_one_that_the_client_keeps(tmp_path: Path) -> None:
    texts = ["order " + "x" * 200, "hello " * 30, "a hat", "thanks " * 40, "bye " * 10, "order again", "hat", "end"]
    replies = [says(f"answer {number} " + "y" * 20 * number) for number in range(len(texts))]
    settings = {"max_history_characters": 1000}
    limits = LimitsConfig(max_selected_plugins=1)
    async with served(tmp_path / "a", *replies, plugins=(ORDERS, HATS), limits=limits, settings=settings) as (
        bot,
        stored,
    ):
        id_ = "new"
        for text in texts:
            id_ = (await talk(bot, text, id_)).headers[HEADER]
    async with served(tmp_path / "b", *replies, plugins=(ORDERS, HATS), limits=limits, settings=settings) as (
        bot,
        sent,
    ):
        history: list[dict[str, str]] = []
        for number, text in enumerate(texts):
            history.append({"role": "user", "content": text})
            await bot.post({"messages": history})
            history.append({"role": "assistant", "content": f"answer {number} " + "y" * 20 * number})
    keys = ("messages", "tools")
    assert [{key: body.get(key) for key in keys} for body in stored.bodies] == [
        {key: body.get(key) for key in keys} for body in sent.bodies
    ]
    assert len(stored.bodies[-1]["messages"]) < 2 * len(texts)


async def test_an_answer_that_fails_is_on_record_and_a_second_attempt_takes_its_place(tmp_path: Path) -> None:
    broken = stream(lines(delta(content="Well"), done=False))
    async with served(tmp_path, refuses(401), broken, says("Yes."), says("Bye.")) as (bot, provider):
        failed = await talk(bot, "Is it?")
        id_ = failed.headers[HEADER]
        assert failed.status == 502
        assert await messages(bot, id_) == [("user", "Is it?", ""), ("assistant", "", "Failed")]
        await talk(bot, "Is it?", id_, stream=True)
        assert await messages(bot, id_) == [("user", "Is it?", ""), ("assistant", "Well", "Failed")]
        await talk(bot, "Is it?", id_)
        assert await messages(bot, id_) == [("user", "Is it?", ""), ("assistant", "Yes.", "Complete")]
        await talk(bot, "Bye", id_)
        assert said(provider.bodies[-1]) == [("user", "Is it?"), ("assistant", "Yes."), ("user", "Bye")]


async def test_a_question_whose_answer_failed_is_not_read_beside_the_next(tmp_path: Path) -> None:
    async with served(tmp_path, refuses(401), says("Yes.")) as (bot, provider):
        id_ = (await talk(bot, "Is it?")).headers[HEADER]
        await talk(bot, "Or is it not?", id_)
        assert said(provider.bodies[-1]) == [("user", "Or is it not?")]
        assert await messages(bot, id_) == [
            ("user", "Is it?", ""),
            ("assistant", "", "Failed"),
            ("user", "Or is it not?", ""),
            ("assistant", "Yes.", "Complete"),
        ]


async def test_what_was_said_before_the_client_went_away_is_kept_and_read(tmp_path: Path) -> None:
    async def begins(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="Once upon"), done=False))
        await asyncio.Event().wait()
        return response

    async with served(tmp_path, begins, says("Again.")) as (bot, provider):
        body = {"messages": [{"role": "user", "content": "A story"}], "stream": True}
        headers = {"Authorization": f"Bearer {bot.token}", HEADER: "new"}
        async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as response:
            id_ = response.headers[HEADER]
            while b"Once upon" not in await response.content.readline():
                pass
            response.close()
        # Whoever stops an answer may ask the next question at once: it waits until the other is on record.
        assert (await talk(bot, "Another", id_)).status == 200
        assert said(provider.bodies[1]) == [("user", "A story"), ("assistant", "Once upon"), ("user", "Another")]
        assert (await messages(bot, id_))[1] == ("assistant", "Once upon", "Stopped")


async def test_of_two_questions_at_once_one_waits_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        id_ = (await talk(bot, "Zero")).headers[HEADER]
        outcomes = await asyncio.gather(*(talk(bot, f"Question {number}", id_) for number in range(8)))
        assert [each.status for each in outcomes] == [200] * 8
        found = await messages(bot, id_)
        asked = [text for role, text, _ in found if role == "user"]
        assert asked[0] == "Zero"
        assert sorted(asked[1:]) == [f"Question {number}" for number in range(8)]
        answers = [(await each.json())["choices"][0]["message"]["content"] for each in outcomes]
        assert sorted(text for role, text, _ in found[2:] if role == "assistant") == sorted(answers)


async def test_who_asks_while_an_answer_takes_long_is_told_to_come_again(tmp_path: Path) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        begun.set()
        await gate.wait()
        return await says("Done.")(request)

    async with served(tmp_path, says("Hi."), waits, settings={"conversation_wait_seconds": 0}) as (bot, _):
        id_ = (await talk(bot, "Hello")).headers[HEADER]
        slow = asyncio.create_task(talk(bot, "Slow", id_))
        await begun.wait()
        assert (await messages(bot, id_))[2:] == [("user", "Slow", ""), ("assistant", "", "Open")]
        refused = await talk(bot, "Me too", id_)
        assert (refused.status, (await refused.json())["error"]["code"]) == (409, "conversation_busy")
        assert refused.headers["Retry-After"] == "1"
        gate.set()
        assert (await slow).status == 200
        assert [text for _, text, _ in await messages(bot, id_)][2:] == ["Slow", "Done."]


async def test_tool_results_are_used_and_not_kept(tmp_path: Path) -> None:
    async with served(tmp_path, looks_up(), says("30 days."), says("Bye."), plugins=(plugin(),)) as (bot, provider):
        id_ = (await talk(bot, "How long?")).headers[HEADER]
        await talk(bot, "Thanks", id_)
        assert said(provider.bodies[2]) == [("user", "How long?"), ("assistant", "30 days."), ("user", "Thanks")]
