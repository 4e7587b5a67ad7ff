"""What the model reads, and that its beginning stays equal."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runtime.support import NOW, played, plugin, says
from smarter_runtime.events import Message
from smarter_runtime.models.chat_body import folded
from smarter_runtime.prompt import date_line, first_kept

PLUGINS = (
    plugin("always", role="Be exact."),
    plugin("boots", "SearchTerms", ("boots",), role="Know boots."),
    plugin("hats", "SearchTerms", ("hats",), role="Know hats."),
)
SAID = ["Hello", "Do you have boots?", "Thanks", "And hats?", "Bye"]


async def requests(tmp_path: Path, provider_type: str) -> list[list[dict[str, Any]]]:
    """Return the messages that the provider got, one list per turn of a conversation."""
    replies = [says(f"answer {number}") for number in range(len(SAID))]
    async with played(tmp_path, *replies, provider={"type": provider_type}, plugins=PLUGINS) as (bot, provider):
        history: list[dict[str, str]] = []
        for number, text in enumerate(SAID):
            history.append({"role": "user", "content": text})
            assert (await bot.post({"messages": history})).status == 200
            history.append({"role": "assistant", "content": f"answer {number}"})
    return [body["messages"] for body in provider.bodies]


async def test_the_prompt_has_its_parts_in_order(tmp_path: Path) -> None:
    last = (await requests(tmp_path, "OpenAI"))[-1]
    assert [(message["role"], message["content"]) for message in last] == [
        ("system", "You are the support assistant of Acme.\n\nBe exact."),
        ("user", "Hello"),
        ("assistant", "answer 0"),
        ("system", "Know boots."),
        ("user", "Do you have boots?"),
        ("assistant", "answer 1"),
        ("user", "Thanks"),
        ("assistant", "answer 2"),
        ("system", "Know hats."),
        ("user", "And hats?"),
        ("assistant", "answer 3"),
        ("user", "Bye"),
        ("system", "Today is Saturday, 2026-03-14 (Europe/Madrid)."),
    ]


@pytest.mark.parametrize("provider_type", ["OpenAI", "OpenAICompatible"])
async def test_the_beginning_of_a_request_is_the_beginning_of_the_next(tmp_path: Path, provider_type: str) -> None:
    sent = await requests(tmp_path, provider_type)
    for before, after in pairwise(sent):
        # The date stands in the last message; everything before it is what a provider can have cached.
        assert before[:-1] == after[: len(before) - 1]
        assert len(after) > len(before)


async def test_servers_that_know_one_system_message_get_one(tmp_path: Path) -> None:
    last = (await requests(tmp_path, "OpenAICompatible"))[-1]
    assert [message["role"] for message in last] == ["system", *["user", "assistant"] * 4, "user"]
    note = "[Note of this chatbot's operator, not of the user: {}]"
    assert last[3]["content"] == f"{note.format('Know boots.')}\n\nDo you have boots?"
    assert last[-1]["content"] == f"Bye\n\n{note.format('Today is Saturday, 2026-03-14 (Europe/Madrid).')}"


def test_a_note_after_a_tools_result_stands_in_the_result() -> None:
    tool = Message("tool", "{}", tool_call_id="c")
    result = folded([Message("user", "x"), Message("assistant", "y"), tool, Message("system", "Be brief.")])
    assert [message.role for message in result] == ["user", "assistant", "tool"]
    assert result[-1].text == "{}\n\n[Note of this chatbot's operator, not of the user: Be brief.]"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        pytest.param("America/Los_Angeles", "Saturday, 2026-03-14", id="west"),
        pytest.param("Pacific/Auckland", "Sunday, 2026-03-15", id="east"),
    ],
)
def test_the_date_is_the_bots(zone: str, day: str) -> None:
    assert date_line(NOW, zone) == f"Today is {day} ({zone})."
    assert date_line(NOW, zone) == date_line(datetime(2026, 3, 14, 13, 59, tzinfo=UTC), zone)


def turns(*sizes: int) -> list[Message]:
    return [Message(role, "x" * (size // 2)) for size in sizes for role in ("user", "assistant")]


@pytest.mark.parametrize(
    ("sizes", "kept_turns"),
    [
        pytest.param([40, 40], 2, id="fits"),
        pytest.param([40, 40, 40], 1, id="cut-to-60-percent-at-once"),
        pytest.param([20, 20, 20, 20, 20, 20], 3, id="whole-turns"),
        pytest.param([20, 20, 20, 20, 20, 20, 20, 20], 5, id="no-cut-again-until-it-is-full"),
        pytest.param([500], 1, id="the-latest-turn-stays"),
        pytest.param([10, 500], 1, id="the-latest-turn-stays-alone"),
        pytest.param([], 0, id="nothing-said"),
    ],
)
def test_long_conversations_lose_their_oldest_turns(sizes: list[int], kept_turns: int) -> None:
    history = turns(*sizes)
    assert len(history) - first_kept(history, 100) == 2 * kept_turns


def test_a_cut_stays_where_it_is_while_the_conversation_goes_on() -> None:
    history = turns(*[10] * 40)
    cuts = [first_kept(history[:length], 100) for length in range(1, len(history), 2)]
    assert cuts == sorted(cuts)
    assert len(set(cuts)) < len(cuts) / 3
