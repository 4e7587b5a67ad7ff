"""The demo model: the same question always finds the same facts."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.support import config, plugin, running

SHIPPING = {
    "countries": {"Iceland": {"days": "6 to 8", "price": "24 EUR"}, "Spain": {"days": "1 to 2", "price": "4 EUR"}},
    "sizes": {"eu": [{"eu": 42, "us": 9}, {"eu": 43, "us": 10}]},
}
LONG = {"terms": "We sell shoes. " * 20 + "The founder's parrot is called Quetzal. " + "We like shoes. " * 20}
PLUGINS = (
    plugin("returns-policy"),
    plugin("shipping", data=SHIPPING),
    plugin("legal", data=LONG),
    plugin("chinese", data={"退货": "三十天内可以退货"}),
)


async def ask(tmp_path: Path, *said: str, **fields: Any) -> str:
    async with running(tmp_path, config(plugins=PLUGINS)) as bot:
        messages = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(said)]
        response = await bot.post({"messages": messages, **fields})
        text: str = (await response.json())["choices"][0]["message"]["content"]
        return text


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        pytest.param("How long can I return boots?", ["14 days"], id="key-of-the-data"),
        pytest.param("What is the warranty?", ["2 years"], id="key-alone"),
        pytest.param("How much is sending a parcel to Iceland, what price?", ["24 EUR"], id="found-inside"),
        pytest.param("Who is the parrot?", ["Quetzal"], id="sentence-of-a-long-text"),
        pytest.param("可以退货吗", ["三十天"], id="script-without-spaces"),
    ],
)
async def test_it_finds_the_facts(tmp_path: Path, question: str, facts: list[str]) -> None:
    answer = await ask(tmp_path, question)
    assert [fact for fact in facts if fact not in answer] == []
    assert answer == await ask(tmp_path, question)


async def test_only_the_last_question_counts(tmp_path: Path) -> None:
    answer = await ask(tmp_path, "What is the warranty?", "2 years.", "And the price to Spain?")
    assert "4 EUR" in answer
    assert "2 years" not in answer


async def test_it_says_when_it_finds_nothing(tmp_path: Path) -> None:
    assert "found nothing about that" in await ask(tmp_path, "Do you like umbrellas?")


async def test_a_greeting_is_answered_with_what_can_be_asked(tmp_path: Path) -> None:
    answer = await ask(tmp_path, "Hello, how are you?")
    assert "I am a demo model" in answer
    assert "shipping: Tells about shipping." in answer


async def test_without_plugins_it_knows_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        response = await bot.chat("What is the warranty?")
        assert "no plugin of this chatbot fits" in json.dumps(await response.json())


async def test_stop_sequences_and_limits_are_kept(tmp_path: Path) -> None:
    whole = await ask(tmp_path, "What is the warranty?")
    assert await ask(tmp_path, "What is the warranty?", stop=["2 years", "zzz"]) == whole.partition("2 years")[0]
    assert await ask(tmp_path, "What is the warranty?", max_tokens=2) == whole[:8]
