"""Which plugins take part: the three directives, in tables."""

import json
from pathlib import Path

import pytest

from runtime.support import config, looks_up, played, plugin, running, says, scripted
from smarter_crds.runtime_config import LimitsConfig, MatchName, ModelOverrides, ProviderConfig
from smarter_runtime.events import Message
from smarter_runtime.selection import select, selector


def selected(terms: list[str], *said: str, match: MatchName = "Words", language: str = "en") -> bool:
    searched = selector(plugin("p", "SearchTerms", tuple(terms), match=match), language)
    return bool(select([searched], [Message("user", text) for text in said], 8))


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        pytest.param("order", "Where is my order?", True, id="word"),
        pytest.param("order", "Where is my ORDER!", True, id="case"),
        pytest.param("order", "border control", False, id="part-of-a-word"),
        pytest.param("order", "orderly", False, id="beginning-of-a-word"),
        pytest.param("order", "my orders", True, id="plural-said"),
        pytest.param("orders", "my order", True, id="plural-term"),
        pytest.param("delivery", "deliveries", True, id="plural-ies"),
        pytest.param("box", "two boxes", True, id="plural-es"),
        pytest.param("shoes", "a shoe", True, id="plural-oes"),
        pytest.param("potatoes", "one potato", True, id="plural-o"),
        pytest.param("foot", "my feet", True, id="irregular-plural"),
        pytest.param("news", "something new", False, id="no-plural"),
        pytest.param("bus", "bu", False, id="s-that-is-no-plural"),
        pytest.param("track my package", "My package: can I track it?", True, id="words-in-any-order"),
        pytest.param("track my package", "track the package", False, id="a-word-is-missing"),
        pytest.param("order's", "the order's state", True, id="apostrophe"),
        pytest.param("c++", "do you sell C++ books?", True, id="symbols"),
        pytest.param("c++", "vitamin c", False, id="symbols-count"),
        pytest.param("café", "CAFE\u0301 hours", True, id="composed-and-decomposed"),
        pytest.param("straße", "STRASSE", True, id="casefold"),
        pytest.param("ﬁx", "fix it", True, id="ligature"),
        pytest.param("123", "order 1234", False, id="numbers-are-words"),
        pytest.param("退货", "我想退货可以吗", True, id="han"),
        pytest.param("退货", "我想买鞋", False, id="han-not-said"),
        pytest.param("返品", "返品したいです", True, id="kana"),
        pytest.param("คืนสินค้า", "อยากคืนสินค้าครับ", True, id="thai"),
        pytest.param("कर", "करें", False, id="indic-marks-belong-to-the-word"),
        pytest.param("order_id", "my order_id", True, id="underscore"),
    ],
)
def test_whole_words_are_found(term: str, text: str, found: bool) -> None:
    assert selected([term], text) is found


@pytest.mark.parametrize(
    ("term", "text", "match", "language", "found"),
    [
        pytest.param("orden", "ordens", "Words", "es", False, id="plurals-are-english"),
        pytest.param("order", "orders", "Words", "en-GB", True, id="british-is-english"),
        pytest.param("order", "border", "Substring", "en", True, id="substring"),
        pytest.param("my order", "about my  ORDER", "Substring", "en", True, id="substring-of-words"),
        pytest.param("my order", "order of my", "Substring", "en", False, id="substring-in-order"),
        pytest.param("order", "odrer", "Substring", "en", False, id="substring-not-said"),
    ],
)
def test_match_and_language_decide_what_counts(
    term: str, text: str, match: MatchName, language: str, found: bool
) -> None:
    assert selected([term], text, match=match, language=language) is found


def test_all_words_must_be_in_one_message() -> None:
    assert not selected(["track my package"], "I want to track", "my package")


@pytest.mark.parametrize(
    ("said", "at_most", "names"),
    [
        pytest.param(["hello"], 8, ["always"], id="nothing-said"),
        pytest.param(["boots", "thanks"], 8, ["always", "boots"], id="it-sticks"),
        pytest.param(["hats", "boots"], 8, ["always", "hats", "boots"], id="order-of-selection"),
        pytest.param(["hats and boots"], 8, ["always", "boots", "hats"], id="order-of-the-spec-within-a-message"),
        pytest.param(["boots", "hats", "gloves"], 2, ["always", "hats", "gloves"], id="the-oldest-leaves"),
        pytest.param(["boots", "hats", "gloves", "boots"], 2, ["always", "gloves", "boots"], id="and-comes-back"),
        pytest.param(["boots", "hats", "boots and gloves"], 2, ["always", "boots", "gloves"], id="a-mention-renews"),
        pytest.param(["gloves, hats, boots"], 2, ["always", "boots", "hats"], id="too-many-at-once"),
        pytest.param(["boots"], 0, ["always"], id="none-allowed"),
    ],
)
def test_selection_follows_the_conversation(said: list[str], at_most: int, names: list[str]) -> None:
    plugins = [plugin("boots", "SearchTerms", ("boots",)), plugin("always"), plugin("llm", "Llm")]
    plugins += [plugin("hats", "SearchTerms", ("hats",)), plugin("gloves", "SearchTerms", ("gloves",))]
    messages = [Message(role, text) for text in said for role in ("user", "assistant")][:-1]
    found = select([selector(each, "en") for each in plugins], messages, at_most)
    assert [each.plugin.name for each in found] == names


def test_what_the_assistant_says_selects_nothing() -> None:
    searched = selector(plugin("p", "SearchTerms", ("boots",)), "en")
    assert select([searched], [Message("assistant", "boots"), Message("user", "hi")], 8) == ()


async def test_each_directive_offers_its_tool_and_adds_its_role_when_it_should(tmp_path: Path) -> None:
    plugins = (
        plugin("zebra", role="Role of always."),
        plugin("boots", "SearchTerms", ("boots",), role="Role of boots."),
        plugin("asked", "Llm", role="Role of asked."),
    )
    async with played(tmp_path, says("a"), says("b"), plugins=plugins) as (bot, provider):
        await bot.chat("hello")
        await bot.chat("boots?")
    tools = [[tool["function"]["name"] for tool in body["tools"]] for body in provider.bodies]
    assert tools == [["asked", "zebra"], ["asked", "boots", "zebra"]]
    texts = [json.dumps(body["messages"]) for body in provider.bodies]
    roles = ("Role of always.", "Role of boots.", "Role of asked.")
    assert [[role in text for role in roles] for text in texts] == [[True, False, False], [True, True, False]]


async def test_the_earlier_plugin_wins_when_two_override_the_same_thing(tmp_path: Path) -> None:
    plugins = (
        plugin("a", "SearchTerms", ("boots",), model=ModelOverrides(name="first")),
        plugin("b", model=ModelOverrides(name="second", temperature=0.0, max_tokens=7)),
    )
    async with played(tmp_path, says("x"), says("x"), plugins=plugins) as (bot, provider):
        await bot.chat("hello")
        await bot.chat("boots")
    assert [(body["model"], body["temperature"], body["max_tokens"]) for body in provider.bodies] == [
        ("second", 0.0, 7),
        ("first", 0.0, 7),
    ]


async def test_a_plugin_may_bring_its_own_provider(tmp_path: Path) -> None:
    asked = plugin(directive="Llm", model=ModelOverrides(provider="demo", name="demo"))
    async with scripted(looks_up()) as provider:
        providers = {**provider.config(), "demo": ProviderConfig(name="demo", type="Demo")}
        async with running(tmp_path, config(providers=providers, plugins=(asked,))) as bot:
            answer = await (await bot.chat("How long can I return boots?")).json()
    assert "14 days" in answer["choices"][0]["message"]["content"]
    assert len(provider.bodies) == 1


async def test_the_number_of_selected_plugins_is_counted_per_plugin(tmp_path: Path) -> None:
    plugins = (plugin("boots", "SearchTerms", ("boots",)), plugin("hats", "SearchTerms", ("hats",)))
    async with running(tmp_path, config(plugins=plugins, limits=LimitsConfig(max_selected_plugins=1))) as bot:
        await bot.post({"messages": [{"role": "user", "content": "boots"}, {"role": "user", "content": "hats"}]})
        metrics = await bot.metrics()
    assert 'smarter_plugin_selected_total{plugin="hats"} 1.0' in metrics
    assert 'smarter_plugin_selected_total{plugin="boots"}' not in metrics
