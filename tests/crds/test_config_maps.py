"""Instructions and data that are kept in ConfigMaps."""

from collections.abc import Mapping
from typing import Any

import pytest

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot, judge
from smarter_crds.yaml_text import read
from support.manifests import chatbot, plugin, provider

FROM = {"configMapKeyRef": {"name": "texts", "key": "prompt"}}
DATA_FROM = {"configMapKeyRef": {"name": "facts", "key": "data"}}
KEPT = plugin(static={"dataFrom": DATA_FROM})


def around(**config_maps: Mapping[str, str]) -> References:
    return References(
        plugins={"returns": Plugin.model_validate(KEPT)},
        providers={"demo": Provider.model_validate(provider())},
        config_maps=config_maps,
        read_data=read,
    )


def with_prompt(**config_maps: Mapping[str, str]) -> Compiled:
    bot = chatbot(systemPromptFrom=FROM)
    del bot["spec"]["systemPrompt"]
    return compile_chatbot(Chatbot.model_validate(bot), around(**config_maps), Platform())


def with_data(**config_maps: Mapping[str, str]) -> Compiled:
    bot = Chatbot.model_validate(chatbot(plugins=[{"name": "returns"}]))
    return compile_chatbot(bot, around(**config_maps), Platform())


def test_instructions_come_from_a_config_map_and_the_config_is_as_if_they_were_inline() -> None:
    found = with_prompt(texts={"prompt": "You are brief.\n"})
    assert found.config is not None
    assert found.config.system_prompt == "You are brief.\n"
    inline = Chatbot.model_validate(chatbot(systemPrompt="You are brief.\n"))
    assert compile_chatbot(inline, around(), Platform()).hash == found.hash


@pytest.mark.parametrize(
    ("config_maps", "reason", "said"),
    [
        pytest.param({}, "ConfigMapNotFound", "kubectl label configmap texts smarter.sh/watch=true", id="missing"),
        pytest.param({"texts": {"other": "x"}}, "ConfigMapKeyNotFound", "(there is other)", id="key"),
        pytest.param({"texts": {}}, "ConfigMapKeyNotFound", "(there is none)", id="empty"),
        pytest.param({"texts": {"prompt": " \n"}}, "ConfigMapInvalid", "holds no instructions", id="blank"),
        pytest.param({"texts": {"prompt": "x" * 32769}}, "ConfigMapInvalid", "has 32769 characters", id="long"),
    ],
)
def test_a_bot_whose_instructions_cannot_be_had_is_refused(
    config_maps: Mapping[str, Mapping[str, str]], reason: str, said: str
) -> None:
    [problem] = with_prompt(**config_maps).problems
    assert (problem.reason, said in problem.message, "'texts'" in problem.message) == (reason, True, True)


@pytest.mark.parametrize(
    "text",
    [pytest.param("window: 30 days\nfees: {card: 0}", id="yaml"),
     pytest.param('{"fees": {"card": 0}, "window": "30 days"}', id="json")],
)  # fmt: skip
def test_the_data_of_a_plugin_comes_from_a_config_map_and_the_config_is_as_if_it_were_inline(text: str) -> None:
    found = with_data(facts={"data": text})
    assert (found.problems, found.plugin_problems) == ((), ())
    inline = around()
    data: Any = {"window": "30 days", "fees": {"card": 0}}
    plugins = {"returns": Plugin.model_validate(plugin(static={"data": data}))}
    same = References(plugins=plugins, providers=inline.providers)
    bot = Chatbot.model_validate(chatbot(plugins=[{"name": "returns"}]))
    assert compile_chatbot(bot, same, Platform()).hash == found.hash


LONG = "a: " + "x" * 128 * 1024

BROKEN: Any = [
    pytest.param({}, "ConfigMapNotFound", "not labelled `smarter.sh/watch=true`", id="missing"),
    pytest.param({"facts": {"other": "x"}}, "ConfigMapKeyNotFound", "no key 'data'", id="key"),
    pytest.param({"facts": {"data": "a: b: c"}}, "ConfigMapInvalid", "line 1: mapping values", id="broken"),
    pytest.param({"facts": {"data": "- a"}}, "ConfigMapInvalid", "an object of 1 to 1000 keys", id="list"),
    pytest.param({"facts": {"data": ""}}, "ConfigMapInvalid", "an object of 1 to 1000 keys", id="empty"),
    pytest.param({"facts": {"data": "{}"}}, "ConfigMapInvalid", "an object of 1 to 1000 keys", id="no-keys"),
    pytest.param({"facts": {"data": LONG}}, "ConfigMapInvalid", "131072 are allowed", id="large"),
    pytest.param({"facts": {"data": "#" * 600_000}}, "ConfigMapInvalid", "524288 are read", id="endless-comment"),
    pytest.param({"facts": {"data": "a: " + "[" * 40 + "]" * 40}}, "ConfigMapInvalid", "more than 32", id="deep"),
    pytest.param({"facts": {"data": '{"a": Infinity}'}}, "ConfigMapInvalid", "JSON does not know", id="infinite"),
    pytest.param({"facts": {"data": "a: !!timestamp 2026-01-01"}}, "ConfigMapInvalid", "JSON does not", id="date"),
]  # fmt: skip


@pytest.mark.parametrize(("config_maps", "reason", "said"), BROKEN)
def test_a_plugin_whose_data_cannot_be_had_is_left_out_and_the_bot_serves(
    config_maps: Mapping[str, Mapping[str, str]], reason: str, said: str
) -> None:
    found = with_data(**config_maps)
    assert (found.problems, found.plugins) == ((), ())
    [problem] = found.plugin_problems
    assert (problem.reason, said in problem.message) == (reason, True), problem.message
    assert "'facts'" in problem.message
    assert "Plugin 'returns'" in problem.message


@pytest.mark.parametrize(("config_maps", "reason", "said"), BROKEN)
def test_the_plugin_itself_is_judged_by_what_its_config_map_holds(
    config_maps: Mapping[str, Mapping[str, str]], reason: str, said: str
) -> None:
    [problem] = judge("Plugin", KEPT, around(**config_maps)).problems
    assert (problem.reason, said in problem.message) == (reason, True)
    assert judge("Plugin", KEPT).problems == (), "where nothing is known of ConfigMaps, nothing is said of them"
    assert judge("Plugin", KEPT, around(facts={"data": "a: 1"})).problems == ()
