"""Plugins, Providers, connections and Stores: whether they can be used, and by how many they are."""

from typing import Any

import pytest

from smarter_crds.runtime_config import ResourceName, RuntimeProblem, RuntimeStatus
from smarter_operator.cluster import Manifest
from support.fake_cluster import FakeCluster
from support.manifests import API, api_connection, api_plugin, chatbot, plugin, provider
from support.operator_harness import EPOCH, Harness
from support.virtual_time import virtual_time

MISSING = RuntimeProblem(
    reason="SecretMissing", message="Provider 'demo': no key.", resource=ResourceName(kind="Provider", name="demo")
)


def connection(kind: str = "SqlConnection", **spec: Any) -> Manifest:
    made = {"engine": "PostgreSQL", "host": "db.acme.example", "database": "shop"}
    if kind == "ApiConnection":
        made = {"baseUrl": "https://erp.acme.example"}
    if kind == "Store":
        made = {"type": "Redis", "host": "redis.acme.example"}
    return {"apiVersion": API, "kind": kind, "metadata": {"name": "shop"}, "spec": made | spec}


def sql_plugin(name: str = "orders", query: str = "select 1") -> Manifest:
    return plugin(name, type="Sql", sql={"connectionRef": {"name": "shop"}, "query": query})


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in manifests:
        cluster.create(manifest)
    return cluster


def condition(cluster: FakeCluster, kind: str, name: str, which: str) -> tuple[str, str]:
    found = {c["type"]: c for c in cluster.status(kind, name)["conditions"]}
    return found[which]["status"], found[which]["reason"]


def says(harness: Harness, *problems: RuntimeProblem) -> None:
    """Let the pod of the bot report these problems."""
    status = RuntimeStatus(
        pod_uid="pod-support-0", config_hash=harness.served("support"), loaded_at=EPOCH, problems=problems
    )
    harness.pods.answers["10.0.0.1"] = status


@pytest.mark.parametrize(
    ("manifest", "ready", "kind_of_it"),
    [
        pytest.param(connection(), ("True", "Ready"), "PostgreSQL", id="sql"),
        pytest.param(connection(host="10.0.0.7"), ("False", "AddressNotAllowed"), "PostgreSQL", id="sql-private"),
        pytest.param(connection("ApiConnection"), ("True", "Ready"), None, id="api"),
        pytest.param(
            connection("Store"),
            ("True", "Ready"), "Redis", id="store",
        ),
    ],
)  # fmt: skip
@virtual_time
async def test_a_resource_says_whether_it_can_be_used(
    manifest: Manifest, ready: tuple[str, str], kind_of_it: str | None
) -> None:
    cluster = acme(manifest)
    async with Harness(cluster):
        assert condition(cluster, manifest["kind"], "shop", "Ready") == ready
        assert cluster.status(manifest["kind"], "shop").get("type") == kind_of_it


@virtual_time
async def test_a_connection_counts_the_chatbots_that_use_it_through_their_plugins() -> None:
    cluster = acme(provider(), connection(), sql_plugin(), chatbot("a", plugins=[{"name": "orders"}]), chatbot("b"))
    async with Harness(cluster) as harness:
        await harness.settle(20)
        assert cluster.status("SqlConnection", "shop")["usedBy"] == 1
        cluster.create(chatbot("c", plugins=[{"name": "orders"}]))
        await harness.settle(20)
        assert cluster.status("SqlConnection", "shop")["usedBy"] == 2
        cluster.remove("Plugin", "orders")
        await harness.settle(20)
        assert cluster.status("SqlConnection", "shop")["usedBy"] == 0


@virtual_time
async def test_a_plugin_says_what_became_of_its_connection() -> None:
    cluster = acme(sql_plugin(), plugin("facts"))
    async with Harness(cluster) as harness:
        assert condition(cluster, "Plugin", "facts", "ConnectionResolved") == ("True", "NoneNeeded")
        assert condition(cluster, "Plugin", "orders", "ConnectionResolved") == ("False", "ConnectionNotFound")
        cluster.create(connection(host="10.0.0.7"))
        await harness.settle()
        assert condition(cluster, "Plugin", "orders", "ConnectionResolved") == ("False", "ConnectionNotAccepted")
        cluster.edit("SqlConnection", "shop", spec=connection()["spec"])
        await harness.settle()
        assert condition(cluster, "Plugin", "orders", "ConnectionResolved") == ("True", "Resolved")
        assert condition(cluster, "Plugin", "orders", "Ready") == ("True", "Ready")
        cluster.edit("Plugin", "orders", spec=sql_plugin(query="delete from orders")["spec"])
        await harness.settle()
        assert condition(cluster, "Plugin", "orders", "ConnectionResolved") == ("False", "StatementRefused")


@virtual_time
async def test_what_a_pod_reports_of_a_provider_lands_on_the_provider_until_it_is_over() -> None:
    cluster = acme(provider(), chatbot())
    async with Harness(cluster) as harness:
        harness.run_pod("support")
        says(harness, MISSING)
        await harness.settle(80)
        assert condition(cluster, "Provider", "demo", "Accepted") == ("True", "Accepted")
        assert condition(cluster, "Provider", "demo", "Ready") == ("False", "SecretMissing")
        says(harness)
        await harness.settle(80)
        assert condition(cluster, "Provider", "demo", "Ready") == ("True", "Ready")
        says(harness, MISSING)
        await harness.settle(80)
        cluster.remove("Pod", "support-0")
        await harness.settle()
        assert condition(cluster, "Provider", "demo", "Ready") == ("True", "Ready")


@virtual_time
async def test_a_connection_to_an_api_resolves_and_bears_what_pods_report_of_it() -> None:
    refused = RuntimeProblem(
        reason="LoginRefused",
        message="ApiConnection 'erp': 401.",
        resource=ResourceName(kind="ApiConnection", name="erp"),
    )
    cluster = acme(provider(), api_connection(), api_plugin(), chatbot(plugins=[{"name": "orders"}]))
    async with Harness(cluster) as harness:
        harness.run_pod("support")
        says(harness, refused)
        await harness.settle(80)
        assert condition(cluster, "Plugin", "orders", "ConnectionResolved") == ("True", "Resolved")
        assert condition(cluster, "Plugin", "orders", "Ready") == ("True", "Ready")
        assert condition(cluster, "ApiConnection", "erp", "Accepted") == ("True", "Accepted")
        assert condition(cluster, "ApiConnection", "erp", "Ready") == ("False", "LoginRefused")
        says(harness)
        await harness.settle(80)
        assert condition(cluster, "ApiConnection", "erp", "Ready") == ("True", "Ready")


@virtual_time
async def test_a_restart_takes_nothing_back_before_the_pods_were_asked_and_learns_what_changed_meanwhile() -> None:
    cluster = acme(provider(), chatbot())
    async with Harness(cluster) as harness:
        harness.run_pod("support")
        says(harness, MISSING)
        await harness.settle(80)
        answers = harness.pods.answers
    cluster.writes.clear()
    again = Harness(cluster)
    again.pods.answers = answers
    async with again:
        await again.settle(80)
        assert [write for write in cluster.writes if write[1] == "Provider"] == []
    later = Harness(cluster)
    later.pods.answers = answers
    says(later)
    async with later:
        await later.settle(20)
        assert condition(cluster, "Provider", "demo", "Ready") == ("True", "Ready")
