"""Which condition of a Chatbot tells of what its pods report."""

from typing import Any

import pytest

from smarter_crds import ApiConnection, Chatbot, Plugin, Provider, Store
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot
from smarter_crds.exposure import IssuerRef
from smarter_crds.runtime_config import ResourceName, RuntimeProblem
from smarter_operator.cluster import Manifest
from smarter_operator.conditions import conditions
from smarter_operator.findings import Verdict
from smarter_operator.observe import World
from smarter_operator.outcome import Outcome
from smarter_operator.pods import PodReport
from support.fake_cluster import FakeCluster
from support.manifests import api_connection, api_plugin, chatbot, plugin, provider, store
from support.operator_harness import Harness
from support.virtual_time import virtual_time

PLATFORM = Platform(issuer_ref=IssuerRef(name="demo-ca", kind="ClusterIssuer"), embedded_budgets=True)
DEPLOYED = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
DEPLOYMENT = {("Deployment", "support"): {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": DEPLOYED}}

REFERENCES = References(
    plugins={
        "orders": Plugin.model_validate(api_plugin()),
        "poems": Plugin.model_validate(
            plugin(
                selector={"directive": "SearchTerms", "searchTerms": ["poem"]},
                prompt={"model": {"providerRef": {"name": "poet"}}},
            )
        ),
        "wise": Plugin.model_validate(plugin(prompt={"model": {"providerRef": {"name": "poet"}}})),
    },
    providers={name: Provider.model_validate(provider(name)) for name in ("demo", "poet", "spare")},
    api_connections={"erp": ApiConnection.model_validate(api_connection())},
    stores={"main": Store.model_validate(store())},
)

POEMS = {"plugins": [{"name": "poems"}]}
WISE = {"plugins": [{"name": "wise"}]}
SPARE = {"model": {"providerRef": {"name": "demo"}, "fallbacks": [{"providerRef": {"name": "spare"}}]}}
BUDGET = {"storeRef": {"name": "main"}, "budget": {"amount": "5", "currency": "USD", "period": "Month"}}
STORED = {"storeRef": {"name": "main"}}

SERVING = ("True", "Serving")
RESOLVED = ("True", "Resolved")


def report(kind: str = "", name: str = "", reason: str = "Unreachable") -> RuntimeProblem:
    resource = ResourceName(kind=kind, name=name) if kind else None
    return RuntimeProblem(reason=reason, message=f"{reason} was said of {name or 'the bot'}.", resource=resource)


def compiled(**spec: Any) -> Compiled:
    wanted = {"exposure": {"type": "None"}} | spec
    return compile_chatbot(Chatbot.model_validate(chatbot(**wanted)), REFERENCES, PLATFORM)


def judge(*reports: PodReport, **spec: Any) -> dict[str, Verdict]:
    world = World(references=REFERENCES, children=DEPLOYMENT, reports={str(n): each for n, each in enumerate(reports)})
    found = compiled(**spec)
    assert (found.problems, found.plugin_problems) == ((), ())
    return conditions("support", Outcome(compiled=found, world=world, config_hash="ab"))


def said(*problems: RuntimeProblem) -> PodReport:
    return PodReport(config_hash="ab", problems=problems)


ORDERS = {"plugins": [{"name": "orders"}]}
TROUBLE = report("ApiConnection", "erp")


@pytest.mark.parametrize(
    ("spec", "problem", "available", "plugins"),
    [
        pytest.param(ORDERS, TROUBLE, SERVING, ("False", "Unreachable"), id="the-connection-of-a-plugin"),
        pytest.param(
            {}, report("SqlConnection", "shop", "LoginRefused"), SERVING, ("False", "LoginRefused"), id="a-database"
        ),
        pytest.param(
            {}, report("SqlConnection", "shop", "RoleTooPowerful"), SERVING, RESOLVED, id="a-remark-on-a-database"
        ),
        pytest.param({}, report(reason="FunctionOff"), SERVING, ("False", "FunctionOff"), id="a-function"),
        pytest.param(
            {}, report("Provider", "demo", "ProviderRefused"), ("False", "ProviderRefused"), RESOLVED, id="the-provider"
        ),
        pytest.param(
            SPARE, report("Provider", "demo", "ProviderRefused"), SERVING, RESOLVED, id="another-provider-steps-in"
        ),
        pytest.param(SPARE, report("Provider", "spare", "SecretMissing"), SERVING, RESOLVED, id="of-a-fallback-only"),
        pytest.param(
            POEMS, report("Provider", "poet", "SecretMissing"), SERVING, ("False", "SecretMissing"), id="of-one-plugin"
        ),
        pytest.param(
            WISE,
            report("Provider", "poet", "SecretMissing"),
            ("False", "SecretMissing"),
            RESOLVED,
            id="of-a-plugin-that-takes-part-in-every-turn",
        ),
        pytest.param(STORED, report("Store", "main"), SERVING, RESOLVED, id="a-store"),
        pytest.param(BUDGET, report("Store", "main"), ("False", "Unreachable"), RESOLVED, id="a-store-with-a-budget"),
        pytest.param({}, report(reason="UsageNotCollected"), SERVING, RESOLVED, id="records-that-nobody-collects"),
        pytest.param(
            {}, report(reason="ConfigInvalid"), ("False", "ConfigInvalid"), RESOLVED, id="whatever-else-is-the-bots"
        ),
    ],
)
def test_only_what_keeps_the_bot_from_answering_makes_it_unavailable(
    spec: Manifest, problem: RuntimeProblem, available: tuple[str, str], plugins: tuple[str, str]
) -> None:
    found = judge(said(problem), said(), **spec)
    assert found["Available"][:2] == available
    assert found["PluginsResolved"][:2] == plugins
    told = "PluginsResolved" if plugins != RESOLVED else "Available"
    assert problem.message in found[told][2]


def test_a_bot_whose_models_all_fail_in_one_pod_is_not_available() -> None:
    both = said(report("Provider", "demo", "ProviderRefused"), report("Provider", "spare", "SecretMissing"))
    assert judge(both, **SPARE)["Available"][:2] == ("False", "ProviderRefused")


def test_what_several_pods_say_is_told_once_and_in_the_same_order_whoever_answers_first() -> None:
    first, second = said(TROUBLE), said(report("SqlConnection", "shop", "LoginRefused"), TROUBLE)
    found = judge(first, second, **ORDERS)["PluginsResolved"]
    assert found == judge(second, first, **ORDERS)["PluginsResolved"]
    assert found == ("False", "LoginRefused", "LoginRefused was said of shop. Unreachable was said of erp.")


@virtual_time
async def test_a_bot_whose_plugin_cannot_reach_its_api_serves_and_says_so() -> None:
    cluster = FakeCluster()
    for manifest in (provider(), api_connection(), api_plugin(), chatbot(plugins=[{"name": "orders"}])):
        cluster.create(manifest)
    async with Harness(cluster) as harness:
        harness.deploy("support")
        address = harness.run_pod("support")
        await harness.settle()
        assert cluster.condition("support", "Ready")[0] == "True"
        well = harness.pods.answers[address]
        harness.pods.answers[address] = well.model_copy(update={"problems": (TROUBLE,)})
        await harness.settle(120)
        assert cluster.condition("support", "Available") == SERVING
        assert cluster.condition("support", "PluginsResolved") == ("False", "Unreachable")
        assert cluster.condition("support", "Ready") == ("False", "Unreachable")
        harness.pods.answers[address] = well
        await harness.settle(120)
        assert cluster.condition("support", "Ready")[0] == "True"
