import asyncio
import os
import signal

import aiohttp
import pytest

from smarter_cluster.cluster import Cluster
from support.api import Api, ApiError, eventually, until_empty
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

AWAY_SECONDS = 20


@pytest.mark.long
async def test_the_operator_lives_through_an_outage_of_the_api_server_and_catches_up(
    cluster: Cluster, api: Api, namespace: str, operator: OperatorProcess
) -> None:
    bot = chatbot(namespace=namespace, plugins=[{"name": "returns"}], exposure=exposed())
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace), bot)
    await eventually(lambda: api.is_ready(namespace, "support"))
    before, process = await api.get("ConfigMap", namespace, "support-config"), operator.pid

    [pid] = [component.pid for component in cluster.status() if component.name == "kube-apiserver"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(AWAY_SECONDS)
    assert operator.returncode is None, operator.log.read_text()[-2000:]
    await asyncio.to_thread(cluster.up)

    async def taken() -> bool:
        try:
            await api.apply(plugin(namespace=namespace, static={"data": {"window": "60 days"}}))
            await api.delete("Service", namespace, "support")
        except (ApiError, aiohttp.ClientError):
            return False
        return True

    await eventually(taken, 30)

    async def behind() -> list[str]:
        found = []
        if await api.get("ConfigMap", namespace, "support-config") == before:
            found.append("the config is the old one")
        if await api.get("Service", namespace, "support") is None:
            found.append("the Service is missing")
        if not await api.is_ready(namespace, "support"):
            found.append(f"not ready: {await api.condition(namespace, 'support', 'Ready')}")
        return found

    await until_empty(behind, 60)
    assert (operator.pid, operator.returncode) == (process, None)
