"""What compile decides about money and limits: prices, refusals, and what the pods get to know."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from smarter_crds import ApiKey, Chatbot, Plugin, Provider, Store
from smarter_crds.compile import (
    Compiled,
    Platform,
    PlatformLimits,
    PriceTable,
    Problem,
    References,
    SnapshotPrices,
    check_api_key,
    compile_chatbot,
    key_config,
)
from smarter_crds.limits import Budget
from smarter_crds.price_config import ModelPrices, PriceConfig
from smarter_crds.runtime_config import ServingConfig
from support.manifests import Manifest, api_key, chatbot, plugin, provider, store

BUDGET = {"amount": "50.00", "currency": "USD", "period": "Month"}
OPENAI = {"type": "OpenAI", "defaultModel": "gpt"}


def price(read: str, written: str, cached: str, start: int = 0) -> PriceConfig:
    return PriceConfig(from_tokens=start, input=Decimal(read), output=Decimal(written), cached_input=Decimal(cached))


class Known(PriceTable):
    def prices(self, provider_type: str, model: str) -> ModelPrices:
        return (price("1", "4", "0.5"),) if (provider_type, model) == ("OpenAI", "gpt") else ()


def compiled(
    *providers: Manifest, platform: Platform | None = None, deep: Manifest | None = None, **spec: Any
) -> Compiled:
    references = References(
        providers={each["metadata"]["name"]: Provider.model_validate(each) for each in providers},
        plugins={"deep": Plugin.model_validate(deep)} if deep else {},
        stores={"main": Store.model_validate(store())},
        prices=Known(),
    )
    return compile_chatbot(Chatbot.model_validate(chatbot(**spec)), references, platform or Platform())


BUDGETED: dict[str, Any] = {"budget": BUDGET, "storeRef": {"name": "main"}, "model": {"providerRef": {"name": "main"}}}


def unknown(model: str, of: str) -> Problem:
    return Problem(
        "PriceUnknown",
        f"`spec.budget` cannot be kept, for nobody knows what model {model!r} of Provider {of!r} costs; set "
        "`spec.prices.input` and `spec.prices.output` of the Provider.",
    )


@pytest.mark.parametrize(
    ("own", "changes", "problems"),
    [
        pytest.param(OPENAI, {}, (), id="in-the-table"),
        pytest.param(OPENAI | {"defaultModel": "new"}, {}, (unknown("new", "main"),), id="not-in-the-table"),
        pytest.param(
            OPENAI | {"defaultModel": "new", "prices": {"input": "1", "output": "2"}}, {}, (), id="by-the-provider"
        ),
        pytest.param(
            OPENAI | {"defaultModel": "new", "prices": {"input": "1"}}, {}, (unknown("new", "main"),), id="half-of-it"
        ),
        pytest.param({"type": "Demo"}, {}, (), id="the-demo-costs-nothing"),
        pytest.param(
            OPENAI,
            {"model": {"providerRef": {"name": "main"}, "fallbacks": [{"providerRef": {"name": "main"}, "name": "x"}]}},
            (unknown("x", "main"),),
            id="a-fallback",
        ),
        pytest.param(OPENAI, {"plugins": [{"name": "deep"}]}, (unknown("deeper", "main"),), id="a-plugin"),
        pytest.param(
            OPENAI,
            {"storeRef": None},
            (
                Problem(
                    "StoreRequired",
                    "A budget needs a store that outlives the pod; name one in `spec.storeRef`, or remove "
                    "`spec.budget`.",
                ),
            ),
            id="without-a-store",
        ),
    ],
)
def test_a_budget_is_refused_that_nobody_could_keep(
    own: Manifest, changes: Manifest, problems: tuple[Problem, ...]
) -> None:
    deep = plugin("deep", prompt={"systemRole": "Think.", "model": {"name": "deeper"}})
    assert compiled(provider("main", **own), deep=deep, **BUDGETED | changes).problems == problems


def test_the_pods_know_the_budget_and_the_prices() -> None:
    config = compiled(provider("main", **OPENAI), **BUDGETED).config
    assert config is not None
    assert config.budget == Budget(amount="50.00", currency="USD", period="Month")
    assert config.providers["main"].prices == {"gpt": (price("1", "4", "0.5"),)}
    assert config.schema_version == 3, "an older runtime would spend all it can"


def test_what_a_provider_says_goes_before_the_table() -> None:
    config = compiled(provider("main", **OPENAI, prices={"output": "9", "cachedInput": "0"}), **BUDGETED).config
    assert config is not None
    assert config.providers["main"].prices == {"gpt": (price("1", "9", "0"),)}


def test_on_somebodys_own_machine_a_budget_needs_no_store() -> None:
    platform = Platform(embedded_budgets=True)
    assert compiled(provider("main", **OPENAI), platform=platform, **BUDGETED | {"storeRef": None}).problems == ()


LIMITS = {"requestsPerMinute": 60, "requestsPerMinutePerClient": 20, "concurrentPerClient": 2, "tokensPerDay": 9}


def test_limits_reach_the_pods_and_the_platform_fills_in_what_is_open() -> None:
    platform = Platform(
        limits=PlatformLimits(requests_per_minute=5, concurrent_per_client=1), trusted_proxies=("10.0.0.0/8",)
    )
    found = compiled(provider(), platform=platform, limits=LIMITS | {"requestsPerMinute": None, "mode": "Shadow"})
    assert found.config is not None
    limits = found.config.limits
    assert (limits.requests_per_minute, limits.requests_per_minute_per_client) == (5, 20)
    assert (limits.concurrent_per_client, limits.mode) == (2, "Shadow")
    assert found.defaults.limits is not None
    assert found.defaults.limits.requests_per_minute == 5
    assert found.defaults.limits.concurrent_per_client is None
    assert found.warnings == ()


def test_limits_per_client_without_known_proxies_are_said_to_count_no_networks() -> None:
    warnings = compiled(provider(), limits=LIMITS).warnings
    assert [warning.split(" ", 1)[0] for warning in warnings] == [
        "`spec.limits.requestsPerMinutePerClient`",
        "`spec.limits.concurrentPerClient`",
    ]
    assert all("`platform.trustedProxies`" in warning for warning in warnings)


def test_what_the_platform_chose_about_serving_reaches_the_pods() -> None:
    platform = Platform(trusted_proxies=("fd00::/8", "10.0.0.0/8"), sessions_per_minute=5, max_streams=9)
    found = compiled(provider(), platform=platform)
    assert found.config is not None
    assert found.config.serving == ServingConfig(
        trusted_proxies=("10.0.0.0/8", "fd00::/8"), sessions_per_minute=5, max_streams=9
    )


def test_a_bot_that_uses_none_of_it_has_the_config_that_it_had_before() -> None:
    document = compiled(provider()).document
    assert not any(word in document for word in (b"serving", b"budget", b"prices", b'"mode"', b"PerMinute"))


def test_a_keys_limits_and_budget_reach_the_pods() -> None:
    limits = {"requestsPerMinute": 3, "concurrentPerClient": 1, "tokensPerDay": 1000}
    key = ApiKey.model_validate(api_key(limits=limits, budget=BUDGET, digests=[{"sha256": "0" * 64}]))
    assert check_api_key(key) == ()
    config = key_config(key)
    assert config is not None
    assert config.limits is not None
    assert config.limits.model_dump(by_alias=True) == limits
    assert config.budget == Budget(amount="50.00", currency="USD", period="Month")


def snapshot() -> Any:
    from genai_prices import data_snapshot

    return data_snapshot.get_snapshot()


@pytest.fixture(scope="module")
def table() -> SnapshotPrices:
    return SnapshotPrices(snapshot, lambda: date(2026, 11, 28))


@pytest.mark.parametrize(
    ("provider_type", "model", "known"),
    [
        pytest.param("OpenAI", "gpt-4o-mini", (price("0.15", "0.6", "0.075"),), id="openai"),
        pytest.param("AzureOpenAI", "gpt-4o", (price("2.5", "10", "1.25"),), id="azure"),
        pytest.param("Groq", "llama-3.3-70b-versatile", (price("0.59", "0.79", "0.59"),), id="no-price-for-cached"),
        pytest.param("DeepSeek", "deepseek-chat", (price("0.27", "1.1", "0.07"),), id="the-dearest-hour-of-the-day"),
        pytest.param("Anthropic", "claude-sonnet-4-6", (price("3.75", "15", "0.3"),), id="written-to-the-cache"),
        pytest.param("OpenAI", "no-such-model", (), id="unknown-model"),
        pytest.param("Ollama", "llama3", (), id="self-hosted"),
        pytest.param("LangChain", "gpt-4o-mini", (), id="any-provider"),
    ],
)
def test_the_table_knows_what_providers_publish(
    table: SnapshotPrices, provider_type: str, model: str, known: ModelPrices
) -> None:
    assert table.prices(provider_type, model) == known


def test_long_rounds_may_cost_more(table: SnapshotPrices) -> None:
    found = table.prices("Google", "gemini-2.5-pro")
    assert [each.from_tokens for each in found] == sorted({each.from_tokens for each in found})
    assert len(found) > 1
    assert found[0].input < found[-1].input


def test_the_table_is_loaded_when_a_price_is_asked_for_and_not_before() -> None:
    loaded: list[datetime] = []

    def load() -> Any:
        loaded.append(datetime(2026, 11, 28))  # noqa: DTZ001
        return snapshot()

    table = SnapshotPrices(load, lambda: date(2026, 11, 28))
    assert table.prices("Ollama", "llama3") == ()
    assert loaded == []
    assert table.prices("OpenAI", "gpt-4o-mini") == table.prices("OpenAI", "gpt-4o-mini") != ()
    assert len(loaded) == 1
