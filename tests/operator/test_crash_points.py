"""The operator is killed after each single call that a clean run makes, and started again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from smarter_operator.cluster import Manifest
from support.controllers import Controllers
from support.facts import Facts, differences, facts, ready_bots
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_harness import Harness
from support.recorded_cluster import Call, RecordedCluster
from support.virtual_time import virtual_time

GATEWAY = {"type": "HTTPRoute", "hosts": ["other.acme.example"], "gatewayRef": {"name": "public", "namespace": "infra"}}


def bot(**spec: Any) -> Manifest:
    made = chatbot(**{"plugins": [{"name": "returns"}], "exposure": exposed()} | spec)
    # Given, so that what is computed from it is the same in every run.
    made["metadata"]["uid"] = "bot-1"
    return made


def create(cluster: FakeCluster) -> None:
    cluster.create(bot())


def edit(**spec: Any) -> Callable[[FakeCluster], None]:
    def change(cluster: FakeCluster) -> None:
        cluster.edit("Chatbot", "support", spec=bot(**spec)["spec"])

    return change


def edit_plugin(cluster: FakeCluster) -> None:
    cluster.edit("Plugin", "returns", spec=plugin(static={"data": {"window": "60 days"}})["spec"])


def delete(cluster: FakeCluster) -> None:
    cluster.remove("Chatbot", "support")


def replace(cluster: FakeCluster) -> None:
    cluster.remove("Chatbot", "support")
    successor = bot(systemPrompt="You are the successor.")
    successor["metadata"]["uid"] = "bot-2"
    cluster.create(successor)


@dataclass(frozen=True)
class Scenario:
    """One thing that a user does."""

    act: Callable[[FakeCluster], None]
    exists: bool = True
    """Whether the Chatbot is there before."""
    left: tuple[str, ...] = ("support",)
    """The Chatbots that are Ready afterwards."""


SCENARIOS: Mapping[str, Scenario] = {
    "create": Scenario(create, exists=False),
    "update-everything": Scenario(
        edit(
            systemPrompt="You are brief.",
            plugins=[],
            exposure=exposed("other.acme.example"),
            resources={"limits": {"cpu": "1", "memory": "1Gi"}},
            networkPolicy={"extraEgress": [{"to": [{"podSelector": {}}]}]},
        )
    ),
    "update-of-the-config": Scenario(edit(systemPrompt="You are brief.")),
    "update-of-a-plugin": Scenario(edit_plugin),
    "another-way-in": Scenario(edit(exposure=GATEWAY)),
    "listeners-of-its-own": Scenario(edit(exposure=GATEWAY | {"tls": exposed()["tls"]})),
    "no-way-in": Scenario(edit(exposure={"type": "None"}, networkPolicy={"enabled": False})),
    "offline": Scenario(edit(state="Offline")),
    "delete": Scenario(delete, left=()),
    "delete-and-create": Scenario(replace),
}


async def outcome(scenario: Scenario, die_after: int = 0) -> tuple[Facts, list[str], list[Call]]:
    """Play the scenario; with a number, the operator dies after that call and another begins. Returns what is left."""
    cluster = FakeCluster()
    controllers = Controllers(cluster)
    for manifest in (provider(), plugin(), *([bot()] if scenario.exists else [])):
        cluster.create(manifest)
    recorded = RecordedCluster(cluster)
    async with controllers.serve(Harness(cluster, through=recorded.as_cluster)):
        await controllers.rest()
        recorded.arm(die_after)
        scenario.act(cluster)
        await (controllers.run(60, until=lambda: recorded.dead) if die_after else controllers.rest())
        assert recorded.dead == (die_after > 0), f"there were only {len(recorded.calls)} calls"
    if die_after:
        async with controllers.serve(Harness(cluster)):
            await controllers.rest()
    return facts(cluster), ready_bots(cluster), recorded.calls


@pytest.mark.parametrize("name", SCENARIOS)
@virtual_time
async def test_killed_after_any_call_of_a_clean_run_the_operator_comes_to_the_same_state(name: str) -> None:
    scenario = SCENARIOS[name]
    clean, ready, calls = await outcome(scenario)
    assert ready == list(scenario.left)
    assert len(calls) >= 1
    for number, call in enumerate(list(calls), start=1):
        found, ready, _ = await outcome(scenario, number)
        assert list(differences(found, clean)) == [], f"killed after call {number}: {call}"
        assert ready == list(scenario.left)
