"""ConfigMaps that people write for chatbots: watched by their label, and an edit reaches who reads them."""

from typing import Any

from prometheus_client import REGISTRY

from smarter_crds.runtime_config import RuntimeConfig
from smarter_operator.cluster import Manifest
from smarter_operator.resources.config_map import unpacked
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, plugin, provider
from support.operator_harness import Harness, as_a_watch
from support.virtual_time import virtual_time

WATCHED = {"smarter.sh/watch": "true"}
KEPT = plugin(static={"dataFrom": {"configMapKeyRef": {"name": "facts", "key": "data"}}})


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Manifest:
    metadata: Any = {"name": name, "namespace": "acme", "labels": WATCHED if labels is None else labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def reader(name: str = "support", **spec: Any) -> Manifest:
    """Return a Chatbot whose instructions are in ConfigMap `texts`."""
    made = chatbot(name, systemPromptFrom={"configMapKeyRef": {"name": "texts", "key": "prompt"}}, **spec)
    del made["spec"]["systemPrompt"]
    return made


def acme(*manifests: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for manifest in (provider(), *manifests):
        cluster.create(manifest)
    return cluster


def served(cluster: FakeCluster, bot: str = "support") -> RuntimeConfig:
    return RuntimeConfig.model_validate_json(unpacked(cluster.get("ConfigMap", f"{bot}-config"), "config"))


def data(cluster: FakeCluster, bot: str = "support") -> Any:
    [found] = served(cluster, bot).plugins
    assert found.static is not None
    return found.static.data


def reconciles() -> float:
    results = ("done", "again", "error")
    found = (REGISTRY.get_sample_value("smarter_reconcile_total", {"kind": "Chatbot", "result": r}) for r in results)
    return sum(value or 0 for value in found)


@virtual_time
async def test_an_edit_of_a_config_map_reaches_the_bots_that_read_it_and_no_other() -> None:
    bots = [reader("one"), reader("two"), chatbot("three"), chatbot("four", plugins=[{"name": "returns"}])]
    cluster = acme(config_map("texts", prompt="You are brief."), config_map("facts", data="a: 1"), KEPT, *bots)
    async with Harness(cluster) as harness:
        await harness.settle(30)
        assert {served(cluster, bot).system_prompt for bot in ("one", "two")} == {"You are brief."}
        assert data(cluster, "four") == {"a": 1}
        cluster.on_change = as_a_watch(harness)
        cluster.writes.clear()
        before = reconciles()
        cluster.edit("ConfigMap", "texts", data={"prompt": "You are long-winded."})
        await harness.settle(30)
        assert {served(cluster, bot).system_prompt for bot in ("one", "two")} == {"You are long-winded."}
        applied = [name for verb, kind, name in cluster.writes if (verb, kind) == ("apply", "ConfigMap")]
        assert sorted(applied) == ["one-config", "two-config"]
        assert 2 <= reconciles() - before <= 4
        cluster.writes.clear()
        cluster.edit("ConfigMap", "facts", data={"data": "b: 2"})
        await harness.settle(30)
        assert data(cluster, "four") == {"b": 2}
        assert [write for write in cluster.writes if write[0] == "apply"] == [("apply", "ConfigMap", "four-config")]


@virtual_time
async def test_what_is_not_data_wakes_nobody() -> None:
    cluster = acme(config_map("texts", prompt="You are brief."), reader())
    async with Harness(cluster) as harness:
        await harness.settle(30)
        before = reconciles()
        metadata = cluster.get("ConfigMap", "texts")["metadata"]
        cluster.edit("ConfigMap", "texts", metadata={**metadata, "annotations": {"team": "a"}})
        await harness.settle(30)
        assert reconciles() == before


@virtual_time
async def test_a_bot_waits_for_its_instructions_and_keeps_the_last_ones_when_they_go() -> None:
    cluster = acme(reader())
    async with Harness(cluster) as harness:
        assert cluster.condition("support", "Ready") == ("False", "ConfigMapNotFound")
        cluster.create(config_map("texts", prompt="You are brief."))
        await harness.settle()
        assert served(cluster).system_prompt == "You are brief."
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        cluster.remove("ConfigMap", "texts")
        await harness.settle()
        assert cluster.condition("support", "Accepted") == ("False", "ConfigMapNotFound")
        assert served(cluster).system_prompt == "You are brief."


@virtual_time
async def test_the_label_decides_whether_a_config_map_is_read() -> None:
    cluster = acme(config_map("texts", labels={}, prompt="You are brief."), reader())
    async with Harness(cluster) as harness:
        assert cluster.condition("support", "Accepted") == ("False", "ConfigMapNotFound")
        metadata = cluster.get("ConfigMap", "texts")["metadata"]
        cluster.edit("ConfigMap", "texts", metadata={**metadata, "labels": WATCHED})
        await harness.settle()
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        cluster.edit("ConfigMap", "texts", metadata={**metadata, "labels": {"smarter.sh/watch": "false"}})
        await harness.settle()
        assert cluster.condition("support", "Accepted") == ("False", "ConfigMapNotFound")
        assert ("ConfigMap", "texts") not in [write[1:] for write in cluster.writes], "it is nobody's child"


@virtual_time
async def test_a_plugin_whose_data_is_broken_is_left_out_and_says_why_until_it_is_mended() -> None:
    cluster = acme(config_map("facts", data="a: 1"), KEPT, chatbot(plugins=[{"name": "returns"}]))
    async with Harness(cluster) as harness:
        assert data(cluster) == {"a": 1}
        cluster.edit("ConfigMap", "facts", data={"data": "a: b: c"})
        await harness.settle(30)
        assert served(cluster).plugins == ()
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        assert cluster.condition("support", "PluginsResolved") == ("False", "ConfigMapInvalid")
        found = {c["type"]: c["reason"] for c in cluster.status("Plugin", "returns")["conditions"]}
        assert (found["Accepted"], found["Ready"]) == ("ConfigMapInvalid", "ConfigMapInvalid")
        cluster.edit("ConfigMap", "facts", data={"data": "a: 2"})
        await harness.settle(30)
        assert data(cluster) == {"a": 2}
        assert cluster.condition("support", "PluginsResolved") == ("True", "Resolved")
        found = {c["type"]: c["status"] for c in cluster.status("Plugin", "returns")["conditions"]}
        assert (found["Accepted"], found["Ready"]) == ("True", "True")


@virtual_time
async def test_no_status_is_written_on_a_config_map() -> None:
    cluster = acme(config_map("texts", prompt="x"), config_map("facts", data="a: 1"), KEPT)
    async with Harness(cluster) as harness:
        cluster.create(reader(plugins=[{"name": "returns"}]))
        await harness.settle(30)
        cluster.remove("Chatbot", "support")
        await harness.settle(30)
    assert "status" not in [verb for verb, kind, _ in cluster.writes if kind == "ConfigMap"]
