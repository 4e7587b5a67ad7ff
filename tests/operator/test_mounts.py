"""Secrets and the config that uses them: no pod lacks a Secret that its config needs, and no Secret stays unused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from smarter_crds.runtime_config import RuntimeConfig
from smarter_operator.cluster import Manifest
from smarter_operator.names import config_map
from smarter_operator.resources.config_map import unpacked
from smarter_operator.resources.secret_volume import mounts_of
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

INSIDE: dict[str, Any] = {"exposure": {"type": "None"}}


def openai(secret: str = "", **spec: Any) -> Manifest:
    named: dict[str, Any] = {"apiKeySecret": {"name": secret, "key": "key"}} if secret else {}
    return provider(type="OpenAI", defaultModel="gpt", **named, **spec)


class Bot:
    """A bot whose pods a test replaces one by one; each mounts what its template says, and serves the newest config."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.cluster = harness.cluster
        self._number = 0

    @property
    def template(self) -> Manifest:
        spec: Manifest = self.cluster.get("Deployment", "support")["spec"]["template"]["spec"]
        return spec

    def mounted(self) -> set[str]:
        """Return the Secrets that new pods get, without that of the session key."""
        return secrets_of(self.template)

    def config(self) -> RuntimeConfig:
        live = self.cluster.get("ConfigMap", config_map("support"))
        return RuntimeConfig.model_validate_json(unpacked(live, "config"))

    def files(self) -> set[str]:
        """Return the files that the config in the ConfigMap names."""
        return {each.api_key_file for each in self.config().providers.values()} - {""}

    def start(self) -> str:
        """Start a pod of the newest template. Returns its name."""
        self._number += 1
        address = self.harness.run_pod("support", self._number)
        name = f"support-{self._number}"
        metadata = self.cluster.get("Pod", name)["metadata"]
        owner = {"kind": "ReplicaSet", "name": "support-1", "uid": "replica-set", "controller": True}
        self.cluster.edit("Pod", name, metadata={**metadata, "ownerReferences": [owner]}, spec=self.template)
        self.addresses = {**getattr(self, "addresses", {}), name: address}
        return name

    def reload(self) -> None:
        """Let every pod serve what the ConfigMap holds."""
        for name, address in self.addresses.items():
            self.harness.answer(address, f"pod-{name}", self.harness.served("support"))

    def end(self, name: str) -> None:
        self.cluster.remove("Pod", name)
        del self.addresses[name]

    def readable(self) -> bool:
        """Tell whether every pod has each file of the config that is in the ConfigMap."""
        pods = [self.cluster.get("Pod", name) for name in self.addresses]
        return all(self.files() <= {mount.path for mount in mounts_of(pod["spec"])} for pod in pods)


def secrets_of(spec: Manifest) -> set[str]:
    return {mount.secret_name for mount in mounts_of(spec) if "-session-" not in mount.secret_name}


@asynccontextmanager
async def running(spec: Manifest) -> AsyncIterator[Bot]:
    """Run a bot of one pod with that Provider."""
    cluster = FakeCluster()
    for manifest in (spec, chatbot(**INSIDE)):
        cluster.create(manifest)
    async with Harness(cluster) as harness:
        bot = Bot(harness)
        bot.start()
        harness.deploy("support")
        await harness.settle(70)
        assert cluster.condition("support", "Ready") == ("True", "Ready")
        yield bot


@virtual_time
async def test_a_new_bot_gets_its_config_and_its_secrets_at_once() -> None:
    async with running(openai("keys")) as bot:
        assert bot.mounted() == {"keys"}
        assert len(bot.files()) == 1
        assert bot.readable()


@virtual_time
async def test_a_config_with_a_new_secret_waits_until_every_pod_has_it_mounted() -> None:
    async with running(openai()) as bot:
        before = bot.harness.served("support")
        bot.cluster.edit("Provider", "demo", spec=openai("keys")["spec"])
        await bot.harness.settle()
        assert bot.mounted() == {"keys"}
        assert bot.harness.served("support") == before
        assert bot.cluster.condition("support", "ConfigLive") == ("False", "MountingSecrets")
        second = bot.start()
        await bot.harness.settle()
        assert bot.harness.served("support") == before, "the old pod still runs"
        bot.end("support-1")
        await bot.harness.settle()
        assert bot.addresses.keys() == {second}
        assert bot.harness.served("support") != before
        assert bot.readable()
        bot.reload()
        bot.harness.deploy("support")
        await bot.harness.settle(70)
        assert bot.cluster.condition("support", "Ready") == ("True", "Ready")


@virtual_time
async def test_a_secret_that_the_config_loses_stays_mounted_until_every_pod_serves_the_new_config() -> None:
    async with running(openai("keys")) as bot:
        bot.cluster.edit("Provider", "demo", spec=openai()["spec"])
        await bot.harness.settle()
        assert bot.files() == set()
        assert bot.mounted() == {"keys"}
        bot.reload()
        await bot.harness.settle(70)
        assert bot.mounted() == set()


@virtual_time
async def test_one_secret_is_exchanged_for_another_without_a_pod_that_lacks_its_own() -> None:
    async with running(openai("first")) as bot:
        first = bot.files()
        bot.cluster.edit("Provider", "demo", spec=openai("second")["spec"])
        await bot.harness.settle()
        assert (bot.mounted(), bot.files()) == ({"first", "second"}, first)
        bot.start()
        bot.end("support-1")
        await bot.harness.settle()
        assert bot.files() != first
        assert bot.mounted() == {"first", "second"}
        assert bot.readable()
        bot.reload()
        await bot.harness.settle(70)
        assert bot.mounted() == {"second"}
        bot.start()
        bot.end("support-2")
        bot.harness.deploy("support")
        await bot.harness.settle(70)
        assert bot.readable()
        bot.cluster.writes.clear()
        await bot.harness.settle(300)
        assert bot.cluster.writes == []


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(openai("keys", timeoutSeconds=5), id="the-same-secret"),
        pytest.param(openai(), id="a-secret-less"),
    ],
)
@virtual_time
async def test_a_config_that_needs_nothing_new_waits_for_no_rollout(spec: Manifest) -> None:
    async with running(openai("keys")) as bot:
        before = bot.harness.served("support")
        bot.cluster.edit("Provider", "demo", spec=spec["spec"])
        # Also while the pods are being replaced for another reason.
        resources = {"limits": {"memory": "1Gi"}}
        bot.cluster.edit("Chatbot", "support", spec=chatbot(**INSIDE, resources=resources)["spec"])
        await bot.harness.settle()
        assert bot.harness.served("support") != before


@virtual_time
async def test_what_waits_is_given_up_when_the_edit_is_taken_back() -> None:
    async with running(openai("first")) as bot:
        before = bot.harness.served("support")
        bot.cluster.edit("Provider", "demo", spec=openai("second")["spec"])
        await bot.harness.settle()
        bot.cluster.edit("Provider", "demo", spec=openai("first")["spec"])
        await bot.harness.settle(70)
        assert bot.harness.served("support") == before
        assert bot.mounted() == {"first"}
        assert bot.cluster.condition("support", "ConfigLive") == ("True", "Live")


@virtual_time
async def test_while_a_config_waits_the_pods_may_still_reach_whom_the_last_one_named() -> None:
    async with running(openai("first")) as bot:
        before = bot.cluster.get("NetworkPolicy", "support")["spec"]
        moved = openai("second", baseUrl="https://llm.example:8443/v1")
        bot.cluster.edit("Provider", "demo", spec=moved["spec"])
        await bot.harness.settle()
        assert bot.cluster.get("NetworkPolicy", "support")["spec"] == before
        bot.start()
        bot.end("support-1")
        await bot.harness.settle()
        assert bot.cluster.get("NetworkPolicy", "support")["spec"] != before


@virtual_time
async def test_a_restart_while_a_config_waits_changes_nothing() -> None:
    cluster = FakeCluster()
    for manifest in (openai("first"), chatbot(**INSIDE)):
        cluster.create(manifest)
    async with Harness(cluster) as harness:
        bot = Bot(harness)
        bot.start()
        harness.deploy("support")
        await harness.settle(70)
        cluster.edit("Provider", "demo", spec=openai("second")["spec"])
        await harness.settle()
    before = harness.served("support")
    cluster.writes.clear()
    async with Harness(cluster) as again:
        again.pods.answers = harness.pods.answers
        await again.settle(70)
        assert again.served("support") == before
        assert [write for write in cluster.writes if write[1] in ("Deployment", "ConfigMap")] == []


@virtual_time
async def test_somebodys_copy_of_a_pod_holds_nothing_up() -> None:
    async with running(openai()) as bot:
        copy = {"name": "debug", "uid": "debug", "labels": {"smarter.sh/chatbot": "support"}}
        bot.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": copy, "spec": {}})
        before = bot.harness.served("support")
        bot.cluster.edit("Provider", "demo", spec=openai("keys")["spec"])
        await bot.harness.settle()
        bot.start()
        bot.end("support-1")
        await bot.harness.settle()
        assert bot.harness.served("support") != before


@pytest.mark.parametrize(
    "tampered",
    [
        pytest.param({"data": {"hash": "0" * 64}}, id="hash"),
        pytest.param({"binaryData": {"config": "bm8gY29uZmln"}}, id="content"),
        pytest.param({"binaryData": {}}, id="empty"),
    ],
)
@virtual_time
async def test_a_config_map_that_somebody_spoilt_is_replaced_and_does_not_wait(tampered: dict[str, Any]) -> None:
    async with running(openai("first")) as bot:
        first = bot.harness.served("support")
        bot.cluster.edit("Provider", "demo", spec=openai("second")["spec"])
        await bot.harness.settle()
        bot.cluster.edit("ConfigMap", "support-config", **tampered)
        await bot.harness.settle()
        assert bot.harness.served("support") not in (first, "0" * 64)
        assert bot.config().providers["demo"].api_key_file


@virtual_time
async def test_a_secret_that_somebody_else_mounted_is_removed_all_the_same() -> None:
    async with running(openai("keys")) as bot:
        live = bot.cluster.get("Deployment", "support")
        [volume] = [v for v in live["spec"]["template"]["spec"]["volumes"] if v["name"] == "secrets"]
        item = {"key": "token", "path": "token"}
        volume["projected"]["sources"].append({"secret": {"name": "theirs", "items": [item], "optional": True}})
        bot.cluster.edit("Deployment", "support", spec=live["spec"])
        await bot.harness.settle()
        assert bot.mounted() == {"keys"}
