"""The samples that people copy are valid, do what their comments say, and answer the questions they propose."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from smarter_crds import KINDS, ApiConnection, ApiModel, Chatbot, Plugin, Provider, SqlConnection, yaml_text
from smarter_crds.base import API_VERSION
from smarter_crds.compile import Compiled, Platform, PlatformLimits, References, compile_chatbot, judge
from smarter_crds.exposure import IssuerRef
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.bot import prepared
from smarter_runtime.conversation import Conversation, Round, ToolDone
from smarter_runtime.events import Message, Text, ToolCall
from smarter_runtime.fallbacks import RetryPolicy
from smarter_runtime.models import ModelRequest
from smarter_runtime.models.demo import DemoModel
from smarter_runtime.plan import Wishes, plan

Manifest = dict[str, Any]
M = TypeVar("M", bound=ApiModel)

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
FILES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*.yaml"))
PLATFORM = Platform(
    issuer_ref=IssuerRef(name="demo-ca", kind="ClusterIssuer"), limits=PlatformLimits(tokens_per_day=100_000)
)
NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def documents(place: str) -> list[Manifest]:
    """Return the resources in one file of the samples, or in all files of a folder."""
    path = SAMPLES / place
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def ours(place: str) -> list[Manifest]:
    return [document for document in documents(place) if document["kind"] in KINDS]


def by_name(model: type[M], manifests: list[Manifest]) -> dict[str, M]:
    found = [manifest for manifest in manifests if manifest["kind"] == model.__name__]
    return {manifest["metadata"]["name"]: model.model_validate(manifest) for manifest in found}


def compiled(place: str, provider: str = "") -> Compiled:
    """Compile the one Chatbot of a sample; the Provider in the file `provider` takes the place of its namesake."""
    manifests = [manifest for manifest in ours(place) if manifest["spec"].get("type") != "OpenAI"]
    manifests += ours(provider) if provider else []
    [chatbot] = by_name(Chatbot, manifests).values()
    references = References(
        plugins=by_name(Plugin, manifests),
        providers=by_name(Provider, manifests),
        api_connections=by_name(ApiConnection, manifests),
        sql_connections=by_name(SqlConnection, manifests),
        config_maps={
            each["metadata"]["name"]: each["data"] for each in documents(place) if each["kind"] == "ConfigMap"
        },
        read_data=yaml_text.read,
    )
    return compile_chatbot(chatbot, references, PLATFORM)


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from () if isinstance(key, str) else (key,)
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


class Nobody:
    """Is told what happens, and keeps nothing of it."""

    async def round_begins(self, request: ModelRequest, provider: str) -> None: ...
    def round_done(self, finished: Round) -> None: ...

    def tool(self, call: ToolCall) -> AbstractContextManager[ToolDone]:
        return nullcontext(lambda _: None)


async def answer(place: str, question: str) -> str:
    """Ask the sample's bot, served by the runtime's own loop and the demo model."""
    result = compiled(place)
    # As the pod reads it: the order of keys in the sample's file is not kept by Kubernetes.
    bot = prepared(RuntimeConfig.model_validate_json(result.document), result.hash, NOW)
    planned = plan(bot, (Message("user", question),), Wishes(), 100_000, NOW)
    events = Conversation(planned, lambda _: DemoModel(), Nobody(), RetryPolicy()).answer()
    return "".join([event.delta async for event in events if isinstance(event, Text)])


@pytest.mark.parametrize("file", FILES)
def test_every_resource_is_valid_and_sets_no_field_that_does_not_exist(file: str) -> None:
    for manifest in ours(file):
        assert manifest["apiVersion"] == API_VERSION
        resource = KINDS[manifest["kind"]].model.model_validate(manifest)
        understood = resource.model_dump(by_alias=True, exclude_unset=True, mode="json")
        assert understood == {key: manifest[key] for key in ("metadata", "spec")}


@pytest.mark.parametrize("folder", ["shoe-shop", "garden-helper", "broken"])
def test_a_folder_keeps_to_one_namespace_and_brings_it_along(folder: str) -> None:
    [namespace] = [manifest["metadata"]["name"] for manifest in documents(folder) if manifest["kind"] == "Namespace"]
    assert {manifest["metadata"]["namespace"] for manifest in ours(folder)} == {namespace}


@pytest.mark.parametrize(
    ("place", "url", "plugin_count"),
    [
        pytest.param("shoe-shop", "https://support.shoes.localhost", 5, id="shoe-shop"),
        pytest.param("garden-helper", "https://ask.garden.localhost", 1, id="garden-helper"),
        pytest.param("minimal.yaml", "", 1, id="minimal"),
        pytest.param("exchange-rates.yaml", "", 1, id="exchange-rates"),
        pytest.param("texts-in-config-maps.yaml", "", 1, id="texts-in-config-maps"),
        pytest.param("guarded.yaml", "", 1, id="guarded"),
    ],
)
def test_a_sample_compiles_without_problem_or_warning(place: str, url: str, plugin_count: int) -> None:
    result = compiled(place)
    assert (result.problems, result.plugin_problems, result.warnings) == ((), (), ())
    assert (result.url, len(result.plugins)) == (url, plugin_count)


def test_the_shop_compiles_without_problem_with_its_other_provider() -> None:
    result = compiled("shoe-shop", provider="shoe-shop/provider-openai.yaml")
    assert (result.problems, result.plugin_problems, result.warnings) == ((), (), ())
    assert [(secret.secret_name, secret.key) for secret in result.secrets] == [("openai", "api-key")]


def test_the_broken_sample_lacks_one_plugin_and_nothing_else() -> None:
    result = compiled("broken")
    assert (result.problems, result.warnings) == ((), ())
    assert [problem.reason for problem in result.plugin_problems] == ["PluginNotFound"]
    assert [plugin.name for plugin in result.plugins] == ["opening-hours"]


def test_the_comment_in_the_broken_sample_quotes_what_the_status_says() -> None:
    [problem] = compiled("broken").plugin_problems
    assert f'"{problem.message}"' in (SAMPLES / "broken" / "chatbot.yaml").read_text(encoding="utf-8")


def test_the_shop_shows_a_plugin_of_real_size_and_all_directives() -> None:
    plugins = by_name(Plugin, ours("shoe-shop"))
    entries = [leaf for plugin in plugins.values() if plugin.spec.static for leaf in leaves(plugin.spec.static.data)]
    assert len(entries) >= 200
    assert {plugin.spec.selector.directive for plugin in plugins.values()} == {"Always", "SearchTerms", "Llm"}


@pytest.mark.parametrize("place", ["shoe-shop", "garden-helper", "broken", "minimal.yaml"])
def test_yaml_reads_all_data_as_text(place: str) -> None:
    for name, plugin in by_name(Plugin, ours(place)).items():
        assert plugin.spec.static is not None
        assert [leaf for leaf in leaves(plugin.spec.static.data) if not isinstance(leaf, str)] == [], name


SHOP_ANSWERS = {
    "How long can I return a shoe?": "60 days",
    "What is EU 42 in US men's sizes?": "US men's: 9",
    "How much is express shipping to Spain?": "7.95 EUR",
    "How do I clean suede shoes?": "crepe brush",
    "What is the voucher code of the day?": "There is no voucher today.",
    "When is the store in London open on Sunday?": "12:00 to 18:00",
}
GARDEN_ANSWERS = {
    "¿Cuándo se siembra el tomate?": "de febrero a abril",
    "¿Cada cuánto hay que regar las lechugas?": "cada día",
    "¿Qué remedio hay contra el pulgón?": "jabón potásico",
}


@pytest.mark.parametrize(("place", "answers"), [("shoe-shop", SHOP_ANSWERS), ("garden-helper", GARDEN_ANSWERS)])
def test_the_bot_proposes_questions_whose_answers_are_known(place: str, answers: dict[str, str]) -> None:
    config = compiled(place).config
    assert config is not None
    assert list(config.app.example_prompts) == list(answers)


@pytest.mark.parametrize(
    ("place", "question", "fact"),
    [
        *(pytest.param("shoe-shop", question, fact, id=fact) for question, fact in SHOP_ANSWERS.items()),
        *(pytest.param("garden-helper", question, fact, id=fact) for question, fact in GARDEN_ANSWERS.items()),
        pytest.param("broken", "When are you open on Saturday?", "10:00 to 14:00", id="broken-serves-what-it-has"),
        pytest.param("minimal.yaml", "What is the return window?", "30 days", id="minimal"),
        pytest.param(
            "texts-in-config-maps.yaml", "When is the library open on Saturday?", "10:00", id="texts-in-config-maps"
        ),
    ],
)
async def test_the_demo_model_finds_the_answer_in_the_plugins(place: str, question: str, fact: str) -> None:
    assert fact in await answer(place, question)


PAGE = SAMPLES.parent / "plugins-api.md"


def test_the_example_on_the_page_about_api_plugins_can_be_used() -> None:
    manifests = [
        manifest
        for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for manifest in yaml.safe_load_all(block)
    ]
    judged = {manifest["kind"]: judge(manifest["kind"], manifest) for manifest in manifests}
    assert set(judged) == {"ApiConnection", "Plugin"}
    assert {kind: (found.problems, found.warnings) for kind, found in judged.items()} == dict.fromkeys(judged, ((), ()))
