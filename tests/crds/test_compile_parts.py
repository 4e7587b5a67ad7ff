"""Plugins, Providers and the chat page in a bot's config."""

from datetime import date
from typing import Any

import pytest

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.compile import (
    Platform,
    Problem,
    References,
    SecretFile,
    check_plugin,
    check_provider,
    compile_chatbot,
)
from smarter_crds.compile.providers import BASE_URLS
from smarter_crds.runtime_config import RuntimeConfig, pack
from support.manifests import chatbot, plugin, provider
from support.samples import Manifest, changed

PLATFORM = Platform()


def config(bot: Manifest, *others: Manifest) -> RuntimeConfig:
    result = compile_chatbot(Chatbot.model_validate(bot), references(*others), PLATFORM)
    assert result.config is not None, result.problems
    return result.config


def references(*others: Manifest, good_bytes: int = 0) -> References:
    everything = [provider(), *others]
    return References(
        plugins={
            found["metadata"]["name"]: Plugin.model_validate(found) for found in everything if found["kind"] == "Plugin"
        },
        providers={
            found["metadata"]["name"]: Provider.model_validate(found)
            for found in everything
            if found["kind"] == "Provider"
        },
        good_config_bytes=good_bytes,
    )


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {"a": 1}
    for _ in range(depth - 1):
        data = {"a": data}
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param({"a": "x" * (128 * 1024 - len('{"a":""}'))}, None, id="largest"),
        pytest.param({"a": "x" * (128 * 1024 - len('{"a":""}') + 1)}, "DataTooLarge", id="too-large"),
        pytest.param({"a": "é" * 65536}, "DataTooLarge", id="counted-in-bytes"),
        pytest.param(nested(32), None, id="deepest"),
        pytest.param(nested(33), "DataTooDeep", id="too-deep"),
        pytest.param({"a": [[]] * 3}, None, id="lists"),
        pytest.param(nested(5000), "DataTooDeep", id="deeper-than-the-stack"),
        pytest.param({"a": date(2026, 1, 1)}, "InvalidData", id="date-from-yaml"),
        pytest.param({"a": float("nan")}, "InvalidData", id="not-a-number"),
        pytest.param({"a": "\ud800"}, "InvalidData", id="half-a-character"),
        pytest.param({"a": {1: "x", "b": "y"}}, "InvalidData", id="mixed-keys"),
        pytest.param({"a": None, "b": [1, 1.5, True, "x", {}]}, None, id="all-that-json-knows"),
    ],
)
def test_static_data_must_be_json_of_bounded_size(data: dict[str, Any], reason: str | None) -> None:
    manifest = plugin(static={"data": data})
    problems = check_plugin(Plugin.model_validate(manifest))
    assert [problem.reason for problem in problems] == ([reason] if reason else [])
    result = compile_chatbot(
        Chatbot.model_validate(chatbot(plugins=[{"name": "returns"}])), references(manifest), PLATFORM
    )
    assert result.problems == ()
    assert bool(result.plugin_problems) == bool(reason)


def test_static_data_reaches_the_config_as_it_is() -> None:
    data = {"no": None, "yes": [1, 1.5, {"deep": None}]}
    found = config(chatbot(plugins=[{"name": "returns"}]), plugin(static={"data": data}))
    assert found.plugins[0].static is not None
    assert found.plugins[0].static.data == data


def test_a_plugins_hash_changes_with_its_content_only() -> None:
    def hash_of(**spec: Any) -> str:
        return config(chatbot(plugins=[{"name": "returns"}]), plugin(**spec)).plugins[0].hash

    hashes = {hash_of(), hash_of(resultMaxCharacters=16000), hash_of(sideEffects="None")}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 16
    assert hash_of(description="Another.") != hash_of()


def test_plugins_keep_the_order_of_the_bot() -> None:
    names = ["c", "a", "b"]
    bot = chatbot(plugins=[{"name": name} for name in names])
    assert [found.name for found in config(bot, *(plugin(name) for name in sorted(names))).plugins] == names


@pytest.mark.parametrize("kind", sorted(BASE_URLS))
def test_a_known_provider_needs_no_address_and_may_have_one(kind: str) -> None:
    bot = chatbot(model={"providerRef": {"name": "llm"}})
    assert config(bot, provider("llm", type=kind)).providers["llm"].base_url == BASE_URLS[kind]
    own = provider("llm", type=kind, baseUrl="https://llm.acme.example/v1/")
    assert config(bot, own).providers["llm"].base_url == "https://llm.acme.example/v1"


def test_only_secrets_that_are_used_are_mounted() -> None:
    used = provider("used", type="OpenAI", apiKeySecret={"name": "keys", "key": "a"})
    other = provider("other", type="OpenAI", apiKeySecret={"name": "keys", "key": "b"})
    unused = provider("unused", type="OpenAI", apiKeySecret={"name": "keys", "key": "c"})
    demo = provider("demo", type="Demo", apiKeySecret={"name": "keys", "key": "d"})
    asks_other = plugin(prompt={"model": {"providerRef": {"name": "other"}}})
    asks_demo = plugin("demos", prompt={"model": {"providerRef": {"name": "demo"}}})
    bot = chatbot(model={"providerRef": {"name": "used"}}, plugins=[{"name": "returns"}, {"name": "demos"}])
    result = compile_chatbot(
        Chatbot.model_validate(bot), references(used, other, unused, demo, asks_other, asks_demo), PLATFORM
    )
    of_other, of_used = SecretFile("keys", "b", "provider-other"), SecretFile("keys", "a", "provider-used")
    assert result.secrets == (of_other, of_used)
    assert result.config is not None
    files = {name: found.api_key_file for name, found in result.config.providers.items()}
    assert files == {"used": of_used.path, "other": of_other.path, "demo": ""}


def test_every_secret_key_and_use_has_a_file_of_its_own_whose_name_is_not_too_long() -> None:
    long = "a" * 253
    files = [
        SecretFile("keys", "a", "provider-x"),
        SecretFile("other", "a", "provider-x"),
        SecretFile("keys", "b", "provider-x"),
        SecretFile("keys", "a", "provider-y"),
        SecretFile("keysa", "", "provider-x"),
        SecretFile(long, "a", f"ca-of-provider-{long}"),
        SecretFile(long, "a", f"ca-of-provider-{long[1:]}b"),
    ]
    assert len({file.path for file in files}) == len(files)
    assert max(len(file.path) for file in files) <= 255
    assert files[0].path == "provider-x-0b8f2a177695", "a pod that is not replaced must find it"


@pytest.mark.parametrize(
    ("language", "disclosure"),
    [
        ("en", "You are talking to an AI."),
        ("es-MX", "Estás hablando con una IA."),
        ("DE", "Du sprichst mit einer KI."),
        ("zh-Hans", "您正在与人工智能对话。"),
        ("zh-TW", "您正在與人工智慧對話。"),
        ("tlh", "You are talking to an AI."),
    ],
)
def test_visitors_are_told_in_the_bots_language(language: str, disclosure: str) -> None:
    assert config(chatbot(language=language)).app.disclosure == disclosure


def test_the_page_is_named_after_the_bot_unless_it_says_otherwise() -> None:
    unnamed = config(chatbot("shoe-support")).app
    named = config(chatbot(app={"title": "Acme", "disclosure": "Ada is an AI."})).app
    assert (unnamed.title, unnamed.assistant_name) == ("Shoe Support", "Shoe Support")
    assert (named.title, named.assistant_name, named.disclosure) == ("Acme", "Acme", "Ada is an AI.")


def test_a_config_too_large_for_its_config_map_names_the_largest_plugin() -> None:
    # Digits of pi would do; a counter in hexadecimal compresses badly enough.
    small, large = plugin("small"), plugin("large", static={"data": {"a": [hash_like(n) for n in range(300)]}})
    bot = Chatbot.model_validate(chatbot(plugins=[{"name": "small"}, {"name": "large"}]))
    fitting = compile_chatbot(bot, references(small, large), PLATFORM)
    size = len(pack(fitting.document))

    def problems(most: int, good_bytes: int) -> tuple[Problem, ...]:
        platform = Platform(max_config_bytes=most)
        return compile_chatbot(bot, references(small, large, good_bytes=good_bytes), platform).problems

    message = (
        f"The bot's config takes {len(fitting.document)} bytes, more than the {size - 1} compressed ones that fit "
        "beside the last good config; shorten Plugin 'large', the largest."
    )
    assert problems(2 * size, 0) == ()
    assert problems(2 * size - 1, 0) == (Problem("ConfigTooLarge", message),)
    assert [problem.reason for problem in problems(2 * size, size + 1)] == ["ConfigTooLarge"]


def test_a_config_that_no_pod_would_unfold_is_refused_however_well_it_compresses() -> None:
    names = [f"plugin-{number}" for number in range(128)]
    plugins = [plugin(name, static={"data": {"a": "a" * 131_000}}) for name in names]
    bot = Chatbot.model_validate(chatbot(plugins=[{"name": name} for name in names]))
    assert compile_chatbot(bot, references(*plugins[:127]), PLATFORM).problems == ()
    [problem] = compile_chatbot(bot, references(*plugins), PLATFORM).problems
    assert problem.reason == "ConfigTooLarge"
    assert "more than the 16777216 that a pod reads; shorten Plugin 'plugin-" in problem.message


def hash_like(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}{number * 40503 % 2**16:04x}"


def test_a_sound_provider_and_a_sound_plugin_have_no_problems() -> None:
    assert check_provider(Provider.model_validate(provider())) == ()
    assert check_plugin(Plugin.model_validate(plugin())) == ()


def test_a_plugin_that_names_a_provider_without_model_is_left_out() -> None:
    modelless = changed(provider("llm", type="OpenAI"), spec__defaultModel=None)
    asking = plugin(prompt={"model": {"providerRef": {"name": "llm"}}})
    bot = Chatbot.model_validate(chatbot(plugins=[{"name": "returns"}]))
    result = compile_chatbot(bot, references(modelless, asking), PLATFORM)
    assert result.config is not None
    assert result.config.plugins == ()
    assert [problem.reason for problem in result.plugin_problems] == ["ModelNameMissing"]
