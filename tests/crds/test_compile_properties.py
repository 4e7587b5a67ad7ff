"""What holds for compile whatever it is given."""

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.compile import (
    Compiled,
    Platform,
    PlatformLimits,
    Problem,
    References,
    check_plugin,
    check_provider,
    compile_chatbot,
    parse,
)

Objects = tuple[Chatbot, References, Platform]

NAMES = st.sampled_from(["a", "b-c", "demo", "openai", "x" * 52])
TEXT = st.text(max_size=30)
# Also what no API server hands out, such as dates, half characters and numbers that JSON does not know.
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have any of `members`."""
    return st.fixed_dictionaries({}, optional=members)


REFERENCE = st.fixed_dictionaries({"name": NAMES})
MODEL = {"name": NAMES, "temperature": st.floats(0, 2), "maxTokens": st.integers(1, 9000)}

PROVIDER_SPECS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["OpenAI", "OpenAICompatible", "Ollama", "Demo", "Anthropic", "LangChain", "Groq"]),
        "baseUrl": st.just("http://llm.example/v1"),
    },
    optional={
        "defaultModel": NAMES,
        "apiKeySecret": st.just({"name": "keys", "key": "k"}),
        "headers": st.just([{"name": "X-A", "value": "b"}]),
        "allowedCIDRs": st.just(["10.0.0.0/8"]),
        "prices": st.just({"input": "1"}),
        "langchain": st.just({"model": "a:b"}),
    },
)
STATIC = st.dictionaries(TEXT, DATA, min_size=1, max_size=4).map(lambda data: {"static": {"data": data}})
TOOLS = st.one_of(
    STATIC.map(lambda members: members | {"type": "Static"}),
    st.just({"type": "Static", "static": {"data": {"window": "30 days", "exceptions": None}}}),
    st.just({"type": "Static", "static": {"dataFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}}),
    st.just({"type": "Sql", "sql": {"connectionRef": {"name": "shop"}, "query": "select 1"}}),
)
PLUGIN_SPECS = st.builds(
    lambda common, tool: common | tool,
    st.fixed_dictionaries(
        {
            "description": st.text(min_size=1, max_size=30),
            "selector": st.sampled_from(
                [
                    {"directive": "Always"},
                    {"directive": "Llm", "match": "Words"},
                    {"directive": "SearchTerms", "searchTerms": ["order", "退货"]},
                ]
            ),
        },
        optional={
            "prompt": some(systemRole=TEXT, model=some(providerRef=REFERENCE, **MODEL)),
            "confirm": st.sampled_from(["Never", "Never", "Visitor"]),
        },
    ),
    TOOLS,
)
CHATBOT_SPECS = st.fixed_dictionaries(
    {
        "model": st.builds(
            lambda required, optional: required | optional,
            st.fixed_dictionaries({"providerRef": REFERENCE}),
            some(**MODEL, topP=st.floats(0, 1), reasoningEffort=st.sampled_from(["None", "High"])),
        ),
        "systemPrompt": st.text(min_size=1, max_size=50),
    },
    optional={
        "state": st.sampled_from(["Active", "Maintenance", "Offline"]),
        "language": st.sampled_from(["en", "zh-TW", "xx"]),
        "timeZone": st.sampled_from(["UTC", "Europe/Madrid", "Mars/Olympus"]),
        "plugins": st.lists(REFERENCE, max_size=4),
        "functions": st.sampled_from([[], ["Calculator"]]),
        "app": some(title=st.text(min_size=1, max_size=9), fileAttachment=st.booleans()),
        "exposure": some(
            type=st.sampled_from(["Ingress", "None"]),
            hosts=st.sampled_from([[], ["a.example"], ["a.example", "b.example"]]),
            tls=some(mode=st.sampled_from(["Issuer", "External", "Disabled"]), issuerRef=REFERENCE),
        ),
        "access": some(mode=st.sampled_from(["Public", "ApiKey"])),
        "limits": some(tokensPerDay=st.integers(1, 9000), requestsPerMinute=st.integers(1, 9)),
        "scaling": st.builds(lambda count: {"type": "Fixed", "replicas": count}, st.integers(0, 3)),
        "resources": some(limits=st.just({"memory": "64Mi", "cpu": 1})),
        "budget": st.just({"amount": "5", "currency": "USD", "period": "Month"}),
    },
)
PLATFORMS = st.builds(
    Platform,
    base_domain=st.sampled_from(["", "bots.example"]),
    limits=st.builds(PlatformLimits, tokens_per_day=st.none() | st.integers(1, 9000)),
    max_config_bytes=st.sampled_from([1, 1500, 1_000_000]),
)


def read(model: type[Any], name: str, spec: dict[str, Any]) -> Any:
    return parse(model, {"metadata": {"name": name, "namespace": "acme"}, "spec": spec})


@st.composite
def wild(draw: st.DrawFn) -> Objects:
    """Draw a Chatbot and what it may refer to; much is missing, refused or cannot be read."""
    chatbot = read(Chatbot, draw(NAMES), draw(CHATBOT_SPECS))
    assert isinstance(chatbot, Chatbot), chatbot
    unreadable = st.just(Problem("Invalid", "It is not valid."))
    plugins = draw(st.dictionaries(NAMES, PLUGIN_SPECS | unreadable, max_size=4))
    providers = draw(st.dictionaries(NAMES, PROVIDER_SPECS | unreadable, max_size=4))
    references = References(
        plugins={name: _read_unless_problem(Plugin, name, spec) for name, spec in plugins.items()},
        providers={name: _read_unless_problem(Provider, name, spec) for name, spec in providers.items()},
        good_config_bytes=draw(st.sampled_from([0, 2000])),
    )
    return chatbot, references, draw(PLATFORMS)


@st.composite
def tame(draw: st.DrawFn) -> Objects:
    """Draw a Chatbot that nothing speaks against, and Plugins of which some are broken."""
    plugins = {name: read(Plugin, name, spec) for name, spec in draw(st.dictionaries(NAMES, PLUGIN_SPECS)).items()}
    spec = {name: value for name, value in draw(CHATBOT_SPECS).items() if name in ("systemPrompt", "app", "resources")}
    spec["app"] = {"title": "Acme"} if "app" in spec else {}
    spec["model"] = {"providerRef": {"name": "openai"}, "name": "gpt"}
    spec["plugins"] = [{"name": name} for name in draw(st.permutations(sorted(plugins)))]
    chatbot = read(Chatbot, draw(NAMES), spec)
    provider = read(Provider, "openai", {"type": "OpenAI", "defaultModel": "gpt"})
    platform = Platform(
        limits=PlatformLimits(tokens_per_day=5), base_domain=draw(st.sampled_from(["", "bots.example"]))
    )
    references = References(plugins=plugins, providers={"openai": provider}, config_maps={"a": {"b": '{"window": 30}'}})
    return chatbot, references, platform


def _read_unless_problem(model: type[Any], name: str, spec: Any) -> Any:
    return spec if isinstance(spec, Problem) else read(model, name, spec)


def shuffled(value: Any, order: random.Random) -> Any:
    """Return an equal value whose mappings are in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(member, order)) for key, member in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(tame())
@settings(deadline=None)
def test_a_bot_that_nothing_speaks_against_serves_with_its_sound_plugins_in_order(given_objects: Objects) -> None:
    chatbot, references, _ = given_objects
    result = compile_chatbot(*given_objects)
    assert result.config is not None
    broken = {name for name, plugin in references.plugins.items() if _is_broken(plugin)}
    assert [plugin.name for plugin in result.config.plugins] == [
        plugin.name for plugin in chatbot.spec.plugins if plugin.name not in broken
    ]
    assert len(result.plugin_problems) == len(broken)


def _is_broken(plugin: Any) -> bool:
    model = plugin.spec.prompt.model if plugin.spec.prompt else None
    asks_elsewhere = model is not None and model.provider_ref is not None and model.provider_ref.name != "openai"
    # There is no connection.
    return asks_elsewhere or plugin.spec.type == "Sql" or check_plugin(plugin) != ()


@given(wild() | tame())
@settings(deadline=None)
def test_compile_never_raises_and_either_serves_or_says_why(given_objects: Objects) -> None:
    result = compile_chatbot(*given_objects)
    assert (result.config is None) == bool(result.problems)
    assert (result.document == b"") == bool(result.problems)
    everything = [*result.problems, *result.plugin_problems]
    assert all(problem.reason.isalnum() and problem.message.endswith(".") for problem in everything)
    if result.config is not None:
        named = {plugin.name for plugin in given_objects[0].spec.plugins}
        assert len(result.config.plugins) + len(result.plugin_problems) == len(named)
        assert {model.provider for model in _models(result)} <= set(result.config.providers)


def _models(result: Compiled) -> list[Any]:
    assert result.config is not None
    return [result.config.model, *(plugin.model for plugin in result.config.plugins if plugin.model.provider)]


@given(wild() | tame(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_mappings_changes_nothing(given_objects: Objects, order: random.Random) -> None:
    chatbot, references, platform = given_objects
    again = References(
        plugins=_reordered(references.plugins, order),
        providers=_reordered(references.providers, order),
        config_maps=references.config_maps,
        good_config_bytes=references.good_config_bytes,
    )
    raw = shuffled(chatbot.model_dump(by_alias=True, exclude_unset=True), order)
    assert compile_chatbot(Chatbot.model_validate(raw), again, platform) == compile_chatbot(*given_objects)


def _reordered(resources: Any, order: random.Random) -> Any:
    copies = {}
    for name in shuffled(dict.fromkeys(resources), order):
        found = resources[name]
        if not isinstance(found, Problem):
            found = type(found).model_validate(shuffled(found.model_dump(by_alias=True, exclude_unset=True), order))
        copies[name] = found
    return copies


@given(wild() | tame(), wild() | tame())
@settings(deadline=None)
def test_the_hash_differs_exactly_when_the_document_does(first: Objects, second: Objects) -> None:
    one, other = compile_chatbot(*first), compile_chatbot(*second)
    assert (one.hash == other.hash) == (one.document == other.document)


@given(PLUGIN_SPECS)
@settings(deadline=None)
def test_an_accepted_plugin_can_be_written_as_json(spec: dict[str, Any]) -> None:
    plugin = read(Plugin, "a", spec)
    if not check_plugin(plugin) and plugin.spec.type == "Static" and plugin.spec.static.data_from is None:
        assert json.loads(json.dumps(plugin.spec.static.data, allow_nan=False)) is not None


@given(PROVIDER_SPECS)
@settings(deadline=None)
def test_a_provider_is_accepted_exactly_if_it_can_be_read(spec: dict[str, Any]) -> None:
    provider = read(Provider, "a", spec)
    if isinstance(provider, Provider):
        assert check_provider(provider) == ()
    else:
        assert spec["type"] == "LangChain" and "langchain" not in spec
