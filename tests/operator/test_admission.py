import copy
from typing import Any

import pytest

from smarter_crds.compile import Platform, PlatformLimits
from smarter_crds.compile.support import SUPPORT
from smarter_crds.exposure import IssuerRef
from smarter_operator.admission import ADMITTED, IMPOSSIBLE, MAX_WARNINGS, WARNING_CHARACTERS, Verdict, judge
from smarter_operator.cache import Cache
from smarter_operator.kinds import BY_NAME
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, plugin, provider
from support.samples import Manifest, changed, full, minimal

PLATFORM = Platform()
API: Manifest = {"connectionRef": {"name": "erp"}, "method": "GET", "path": "/orders/{order_id}"}
ORDER_ID: Manifest = {"name": "order_id", "type": "Integer", "description": "The order number.", "required": True}


def cache_with(*manifests: Manifest) -> Cache:
    cluster, cache = FakeCluster(), Cache()
    for manifest in manifests:
        cache.put(BY_NAME[manifest["kind"]], cluster.create(manifest))
    return cache


EVERYTHING = cache_with(provider(), plugin())


def judged(
    manifest: Manifest,
    before: Manifest | None = None,
    cache: Cache | None = EVERYTHING,
    platform: Platform = PLATFORM,
) -> Verdict:
    return judge(BY_NAME[manifest["kind"]], manifest, before, cache, platform)


def api_plugin(**members: Any) -> Manifest:
    return plugin(type="Api", static=None, api={**API, "parameters": [ORDER_ID], **members})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        pytest.param(plugin(static={"data": {"a": "x" * 140_000}}), "131072 are allowed", id="too-much-data"),
        pytest.param(plugin(static={"data": nested(40)}), "nested more than 32 deep", id="too-deep-data"),
        pytest.param(api_plugin(path="/x/{nobody}"), "`spec.api.path` uses `{nobody}`", id="undeclared-in-the-path"),
        pytest.param(
            api_plugin(query=[{"name": "q", "value": "a{term}b"}]), "`spec.api.query` uses `{term}`", id="in-the-query"
        ),
        pytest.param(
            api_plugin(headers=[{"name": "X-A", "value": "{who}"}]), "`spec.api.headers` uses `{who}`", id="in-a-header"
        ),
        pytest.param(api_plugin(body={"a": [{"b": "{deep}"}]}), "`spec.api.body` uses `{deep}`", id="deep-in-the-body"),
        pytest.param(
            plugin(
                type="Api", static=None, api={**API, "parameters": [ORDER_ID]}, testValues=[{"name": "x", "value": ""}]
            ),
            "`x`, which is no parameter",
            id="a-test-value-for-nothing",
        ),
        pytest.param(
            plugin(
                type="Sql",
                static=None,
                sql={
                    "connectionRef": {"name": "shop"},
                    "query": "select :a",
                    "parameters": [{**ORDER_ID, "name": "a"}, {**ORDER_ID, "name": "b"}],
                },
                testValues=[{"name": "a", "value": "1"}],
            ),
            "lacks the required parameter `b`",
            id="a-required-parameter-not-tried",
        ),
        pytest.param(plugin(type="Static", static=None), "`static` is required", id="a-rule-of-the-model"),
        pytest.param(provider(type="OpenAI", allowedCIDRs=["10.0.0.0/99"]), "`spec.allowedCIDRs[0]`", id="no-network"),
        pytest.param(chatbot(plugins=[{"name": "a"}, {"name": "a"}]), "2 times", id="a-plugin-named-twice"),
        pytest.param(
            chatbot(plugins=[{"name": "calculator"}], functions=["Calculator"]), "same name", id="a-function-s-name"
        ),
        pytest.param(
            chatbot(scaling={"type": "Fixed", "replicas": 3}), "need a store", id="pods-without-a-shared-store"
        ),
        pytest.param(
            chatbot(budget={"amount": "1", "currency": "USD", "period": "Month"}),
            "A budget needs a store that outlives the pod",
            id="a-budget-without-a-store",
        ),
        pytest.param(chatbot("x" * 60), "at most 52 characters", id="a-name-too-long"),
    ],
)
def test_what_can_never_work_is_denied_with_the_sentence(manifest: Manifest, said: str) -> None:
    verdict = judged(manifest)
    assert said in verdict.denial
    assert verdict.warnings == ()
    assert said in judged(manifest, cache=None).denial


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        pytest.param(chatbot(plugins=[{"name": "nobody"}]), "Plugin 'nobody' is not in namespace 'acme'", id="plugin"),
        pytest.param(
            chatbot(model={"providerRef": {"name": "nobody"}}), "Provider 'nobody' is not in namespace", id="provider"
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "demo"}, "fallbacks": [{"providerRef": {"name": "spare"}}]}),
            "or name another in `spec.model.fallbacks[0].providerRef`",
            id="provider-of-a-fallback",
        ),
        pytest.param(chatbot(storeRef={"name": "main"}), "Store 'main' is not in namespace", id="store"),
        pytest.param(chatbot(limits=None), "A Public bot needs a limit of tokens", id="public-without-limits"),
        pytest.param(chatbot(exposure=exposed(mode="Disabled")), "served without TLS", id="no-tls"),
        pytest.param(chatbot(runtime={"image": "ghcr.io/acme/bot"}), "no fixed version", id="image-without-a-tag"),
        pytest.param(chatbot(runtime={"image": "host:5000/bot:latest"}), "no fixed version", id="image-latest"),
        pytest.param(chatbot(timeZone="Europe/Madird"), "'Europe/Madrid'", id="unknown-time-zone"),
        pytest.param(
            chatbot(model={"providerRef": {"name": "demo"}, "temperature": 1}),
            "has no effect on Provider",
            id="ignored",
        ),
        pytest.param(
            plugin(prompt={"model": {"providerRef": {"name": "other"}}}), "Provider 'other' is not in", id="of-a-plugin"
        ),
        pytest.param(api_plugin(), "ApiConnection 'erp' is not in namespace 'acme'; create it.", id="connection"),
        pytest.param(
            plugin(static={"dataFrom": {"configMapKeyRef": {"name": "facts", "key": "data"}}}),
            "ConfigMap 'facts', named in `spec.static.dataFrom`",
            id="config-map",
        ),
        pytest.param(
            changed(
                minimal("ApiKey"), spec__scope={"type": "Listed", "chatbots": ["nobody"]}, metadata__namespace="acme"
            ),
            "Chatbot 'nobody' is not in namespace 'acme'; create it.",
            id="chatbot-of-a-key",
        ),
        pytest.param(plugin(selector={"directive": "Llm", "match": "Words"}), "`spec.selector.match`", id="no-effect"),
        pytest.param(
            provider(headers=[{"name": "A", "value": "b"}]), "`spec.headers` has no effect", id="provider-demo"
        ),
    ],
)
def test_what_may_still_come_right_is_a_warning(manifest: Manifest, said: str) -> None:
    verdict = judged(manifest)
    assert verdict.denial == ""
    assert said in " ".join(verdict.warnings)
    assert all(len(warning) <= WARNING_CHARACTERS for warning in verdict.warnings)


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(chatbot(plugins=[{"name": "returns"}], exposure=exposed()), id="chatbot"),
        pytest.param(plugin(), id="plugin"),
        pytest.param(provider(), id="provider"),
    ],
)
def test_what_works_is_let_in_without_a_word(manifest: Manifest) -> None:
    assert judged(manifest) == Verdict()


@pytest.mark.parametrize("kind", sorted(SUPPORT))
@pytest.mark.parametrize("sample", [minimal, full])
def test_valid_resources_of_every_kind_are_never_denied(kind: str, sample: Any) -> None:
    assert judged(sample(kind)).denial == ""


def test_every_kind_but_host_claims_is_judged() -> None:
    assert {kind.name for kind in ADMITTED} == set(SUPPORT)


def test_platform_settings_and_other_objects_silence_their_warnings() -> None:
    bot = chatbot(limits=None, exposure={"hosts": ["a.example"]}, plugins=[{"name": "nobody"}])
    assert len(judged(bot).warnings) == 3
    platform = Platform(issuer_ref=IssuerRef(name="ca", kind="Issuer"), limits=PlatformLimits(tokens_per_day=5))
    assert judged(bot, platform=platform, cache=cache_with(provider(), plugin("nobody"))) == Verdict()


def test_before_the_first_list_nothing_is_said_about_other_objects() -> None:
    bot = chatbot(plugins=[{"name": "nobody"}], storeRef={"name": "main"})
    assert judged(bot, cache=None) == Verdict()
    assert judged(BROKEN, cache=None).denial != ""


BROKEN = chatbot(plugins=[{"name": "a"}, {"name": "a"}])


@pytest.mark.parametrize(
    ("after", "denied"),
    [
        pytest.param({**BROKEN, "metadata": {**BROKEN["metadata"], "labels": {"a": "b"}}}, False, id="labels-only"),
        pytest.param(chatbot(plugins=[{"name": "a"}, {"name": "a"}], language="es"), False, id="another-field"),
        pytest.param(chatbot(plugins=[{"name": "a"}, {"name": "a"}, {"name": "a"}]), True, id="worse"),
        pytest.param(chatbot(), False, id="repaired"),
    ],
)
def test_what_was_stored_before_a_rule_existed_can_still_be_edited(after: Manifest, denied: bool) -> None:
    assert bool(judged(after, before=BROKEN).denial) == denied


def test_what_is_being_deleted_is_never_held_up() -> None:
    going = copy.deepcopy(BROKEN)
    going["metadata"] |= {"deletionTimestamp": "2026-11-22T12:00:00Z", "finalizers": []}
    assert judged(going, before=chatbot()) == Verdict()


def test_an_unchanged_spec_is_not_commented_again() -> None:
    bot = chatbot(plugins=[{"name": "nobody"}])
    assert judged(bot).warnings != ()
    assert judged(bot, before=bot) == Verdict()


def test_warnings_are_few_and_short_whatever_they_quote() -> None:
    names = [f"{'n' * 55}-{number}" for number in range(100)]
    verdict = judged(chatbot(plugins=[{"name": name} for name in names]))
    assert len(verdict.warnings) == MAX_WARNINGS
    assert verdict.warnings[-1] == f"There are {100 - MAX_WARNINGS + 1} more; `kubectl describe` shows them."
    long = provider(type="OpenAI", baseUrl="https://llm.example/" + "x" * 500, caSecret={"name": "a" * 200, "key": "b"})
    assert all(len(warning) <= WARNING_CHARACTERS for warning in judged(long).warnings)


def test_a_body_deeper_than_the_stack_is_judged() -> None:
    deep = plugin(static={"data": nested(900)})
    assert "nested more than 32 deep" in judged(deep, before=plugin()).denial
    assert judged(deep, before=copy_of_depth(900)).denial == ""


def copy_of_depth(depth: int) -> Manifest:
    return plugin(static={"data": nested(depth)})


def test_reasons_that_deny_never_come_from_another_object() -> None:
    broken = plugin(static={"data": {"a": "x" * 140_000}})
    verdict = judged(chatbot(plugins=[{"name": "returns"}]), cache=cache_with(provider(), broken))
    assert verdict.denial == ""
    assert "Plugin 'returns' is not accepted" in verdict.warnings[0]
    assert not {reason for reason in IMPOSSIBLE if reason.endswith(("NotFound", "NotAccepted", "NotSupported"))}
