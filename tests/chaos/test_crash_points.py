"""The operator is killed by SIGKILL right after the API server has answered one of its calls, and started again."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from smarter_cluster.cluster import Cluster
from support.api import Api, eventually, until_empty
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess
from support.real_facts import wrong
from support.tapped_operator import TappedOperator, tapped_operator

SEED = 20261122
QUIET_SECONDS = 3.5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tapped(
    installed: Cluster, api: Api, operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TappedOperator]:
    async with tapped_operator(installed, api, operator, tmp_path_factory.mktemp("tapped")) as running:
        yield running


@dataclass(frozen=True)
class Scenario:
    """One thing that a user does to a Chatbot that is Ready, or, without `before`, is not there."""

    before: dict[str, Any] | None = field(default_factory=dict)
    after: dict[str, Any] | None = None


FIRST = {"exposure": exposed("a.example"), "plugins": [{"name": "returns"}]}
SECOND = {"exposure": exposed("b.example"), "systemPrompt": "You are brief.", "resources": {"limits": {"cpu": "1"}}}

SCENARIOS: Mapping[str, Scenario] = {
    "create": Scenario(before=None, after=FIRST),
    "update": Scenario(before=FIRST, after=SECOND),
    "delete": Scenario(before=FIRST, after=None),
}


async def put(api: Api, namespace: str, spec: dict[str, Any] | None) -> None:
    if spec is not None:
        await api.apply(chatbot(namespace=namespace, **spec))
    elif await api.get("Chatbot", namespace, "support"):
        await api.delete("Chatbot", namespace, "support")


async def converged(api: Api, namespace: str) -> None:
    async def rest() -> list[str]:
        bots = await api.list_all("Chatbot", namespace)
        slow = [bot for bot in bots if not await api.is_ready(namespace, bot["metadata"]["name"])]
        return ["not ready"] if slow else await wrong(api, namespace)

    # The garbage collector of a cluster that just learned of Chatbots needs up to a minute.
    await until_empty(rest, 90)


async def calls_of(scenario: Scenario, api: Api, namespace: str, tapped: TappedOperator) -> int:
    """Play the scenario without a fault. Returns the number of calls until nothing was left to do."""
    await put(api, namespace, scenario.before)
    await converged(api, namespace)
    await _quiet(tapped)
    tapped.tap.arm()
    await put(api, namespace, scenario.after)
    await converged(api, namespace)
    await _quiet(tapped)
    return len(tapped.tap.calls)


async def _quiet(tapped: TappedOperator) -> None:
    """Wait until the operator has nothing left to say."""
    for _ in range(20):
        before = len(tapped.tap.calls)
        await asyncio.sleep(QUIET_SECONDS)
        if len(tapped.tap.calls) == before:
            return
    raise AssertionError(f"the operator does not come to rest: {tapped.tap.calls[-5:]}")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name == "delete" else []) for name in SCENARIOS]
)
async def test_killed_after_a_call_the_operator_brings_about_the_same_as_without(
    api: Api, namespace: str, tapped: TappedOperator, data_plane: DataPlane, rounds: int, name: str
) -> None:
    scenario = SCENARIOS[name]
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace))
    number_of_calls = await calls_of(scenario, api, namespace, tapped)
    assert number_of_calls >= 1
    numbers = list(range(1, number_of_calls + 1))
    if rounds < number_of_calls:
        numbers = random.Random(SEED).sample(numbers, 1)
    print(f"\n{name}: {number_of_calls} calls, killed after each of {len(numbers)}")
    for number in numbers:
        await put(api, namespace, scenario.before)
        await converged(api, namespace)
        tapped.kill_after(number)
        await put(api, namespace, scenario.after)
        with_fault = await _killed(tapped)
        await tapped.start()
        await converged(api, namespace)
        # Merged runs may save calls, so that the last ones do not come.
        assert with_fault or number > number_of_calls - 3, f"only {number - 1} calls came"


async def _killed(tapped: TappedOperator) -> bool:
    async def dead() -> bool:
        return not tapped.runs

    try:
        return await eventually(dead, 15)
    except AssertionError:
        await tapped.kill()
        return False
