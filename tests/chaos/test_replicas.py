import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, provider
from support.operator_metrics import calls, writes
from support.operator_process import OperatorProcess, service_account_token, with_token
from support.real_api import POD_STATUS_PORT

ACCOUNT = "smarter"
CRASH_SECONDS = 20
HAND_OVER_SECONDS = 10
"""Five in virtual time; here the machine may be slow, and who has to wait for the end of the Lease needs fifteen."""


async def replica(cluster: Cluster, api: Api, folder: Path, name: str) -> OperatorProcess:
    token = await service_account_token(api, NAMESPACE, ACCOUNT)
    made = OperatorProcess(
        with_token(cluster.kubeconfig, token, folder / f"{name}.kubeconfig"),
        folder / f"{name}.log",
        SMARTER_RUNTIME_IMAGE="runtime:test",
        SMARTER_POD_STATUS_PORT=str(POD_STATUS_PORT),
        SMARTER_LEASE_NAMESPACE=NAMESPACE,
        SMARTER_LEASE_NAME=ACCOUNT,
        SMARTER_IDENTITY=name,
    )
    await made.start()
    return made


async def leads(process: OperatorProcess) -> bool:
    return "smarter_leader 1.0" in await process.metrics()


async def written(process: OperatorProcess) -> int:
    """Count what the replica wrote for the sake of Chatbots."""
    return writes(await calls(process))


async def quiet(process: OperatorProcess) -> int:
    """Wait until the replica has nothing left to write. Returns how often it wrote."""
    for _ in range(5):
        before = await written(process)
        await asyncio.sleep(5)
        if await written(process) == before:
            return before
    raise AssertionError("the replica does not come to rest")


async def config_hash(api: Api, namespace: str) -> str:
    found = await api.get("ConfigMap", namespace, "support-config")
    return str(found["data"]["hash"]) if found else ""


async def edit(api: Api, namespace: str, prompt: str) -> None:
    """Change the prompt and wait until the config is written."""
    before = await config_hash(api, namespace)
    await api.apply(chatbot(namespace=namespace, systemPrompt=prompt))

    async def written() -> bool:
        return await config_hash(api, namespace) != before

    await eventually(written, 30)


@dataclass(frozen=True)
class Pair:
    """Two replicas, of which the first leads, and a namespace with a bot that it made."""

    first: OperatorProcess
    second: OperatorProcess
    namespace: str


@pytest_asyncio.fixture(loop_scope="session")
async def pair(
    installed: Cluster, api: Api, data_plane: DataPlane, operator: OperatorProcess, tmp_path: Path
) -> AsyncIterator[Pair]:
    # The operator of the other tests holds no Lease and would do the work of both.
    assert await operator.stop() == 0
    first = await replica(installed, api, tmp_path, "first")
    await eventually(lambda: leads(first), CRASH_SECONDS)
    second = await replica(installed, api, tmp_path, "second")
    namespace = await api.namespace(f"replicas-{uuid4().hex[:8]}")
    try:
        await api.apply(provider(namespace=namespace))
        await edit(api, namespace, "By the first.")
        yield Pair(first, second, namespace)
    finally:
        await first.stop()
        await second.stop()
        await operator.start()
        await api.delete("Chatbot", namespace, "support")
        await api.delete("Namespace", "", namespace)


@pytest.mark.long
async def test_one_of_two_replicas_writes_and_the_other_takes_over_from_a_paused_and_from_a_killed_one(
    api: Api, pair: Pair
) -> None:
    first, second = pair.first, pair.second
    assert await written(first) > 0
    assert await written(second) == 0

    by_first = await quiet(first)
    first.signal(signal.SIGSTOP)
    paused = await seconds_until_it_leads(second, CRASH_SECONDS)
    await edit(api, pair.namespace, "By the second, while the first is paused.")
    first.signal(signal.SIGCONT)
    await eventually(lambda: _stands_by(first), 15)
    assert await written(second) > 0
    assert await written(first) == by_first, "it woke up and wrote although it led no more"

    await second.stop(signal.SIGKILL)
    killed = await seconds_until_it_leads(first, CRASH_SECONDS)
    await edit(api, pair.namespace, "By the first, after the second was killed.")
    print(f"\nafter a pause {paused:.1f} s, after a crash {killed:.1f} s")


async def test_a_replica_that_ends_hands_over_before_its_lease_does(api: Api, pair: Pair) -> None:
    stopping = asyncio.create_task(pair.first.stop())
    took = await seconds_until_it_leads(pair.second, HAND_OVER_SECONDS)
    assert await stopping == 0
    await edit(api, pair.namespace, "By the second, after the first was asked to end.")
    print(f"\nafter {took:.1f} s")


async def seconds_until_it_leads(process: OperatorProcess, at_most: float) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await eventually(lambda: leads(process), at_most)
    return loop.time() - began


async def _stands_by(process: OperatorProcess) -> bool:
    return not await leads(process)
