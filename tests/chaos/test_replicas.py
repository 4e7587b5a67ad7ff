import asyncio
import signal
from pathlib import Path

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess, service_account_token, with_token
from support.real_api import POD_STATUS_PORT

ACCOUNT = "smarter"


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


async def writes(process: OperatorProcess) -> float:
    """Count what the replica wrote but for the Lease."""
    lines = [line for line in (await process.metrics()).splitlines() if line.startswith("smarter_api_requests_total")]
    own = [line for line in lines if 'verb="GET"' not in line and 'kind="Lease"' not in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in own)


async def quiet(process: OperatorProcess) -> float:
    """Wait until the replica has nothing left to write, held counts of users included. Returns how often it wrote."""
    for _ in range(5):
        before = await writes(process)
        await asyncio.sleep(12)
        if await writes(process) == before:
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


async def test_one_of_two_replicas_writes_and_the_other_takes_over_from_a_paused_and_from_a_killed_one(
    installed: Cluster, api: Api, data_plane: DataPlane, operator: OperatorProcess, tmp_path: Path
) -> None:
    # The operator of the other tests holds no Lease and would do the work of both.
    assert await operator.stop() == 0
    first = await replica(installed, api, tmp_path, "first")
    second = await replica(installed, api, tmp_path, "second")
    namespace = await api.namespace("replicas")
    try:
        await eventually(lambda: leads(first))
        await api.apply(provider(namespace=namespace))
        await edit(api, namespace, "By the first.")
        assert await writes(first) > 0
        assert await writes(second) == 0

        by_first = await quiet(first)
        first.signal(signal.SIGSTOP)
        await eventually(lambda: leads(second), 30)
        await edit(api, namespace, "By the second, while the first is paused.")
        first.signal(signal.SIGCONT)
        await eventually(lambda: _stands_by(first), 15)
        assert await writes(second) > 0
        assert await writes(first) == by_first, "it woke up and wrote although it led no more"

        await second.stop(signal.SIGKILL)
        await eventually(lambda: leads(first), 30)
        await edit(api, namespace, "By the first, after the second was killed.")
    finally:
        await first.stop()
        await second.stop()
        await operator.start()
        await api.delete("Chatbot", namespace, "support")
        await api.delete("Namespace", "", namespace)


async def _stands_by(process: OperatorProcess) -> bool:
    return not await leads(process)
