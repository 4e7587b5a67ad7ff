"""An operator that reaches the API server through a proxy that a test makes misbehave, and a bot that it serves."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from smarter_operator.watch_session import stream_of
from support.api import Api, Manifest, until_empty
from support.data_plane import DataPlane
from support.fault_proxy import FaultProxy
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess, service_account_token, with_token
from support.real_api import POD_STATUS_PORT


@dataclass
class Scene:
    api: Api
    proxy: FaultProxy
    operator: OperatorProcess
    namespace: str
    _days: Iterator[int] = field(default_factory=itertools.count)
    _before: Manifest | None = None

    async def restore(self) -> None:
        """Bring about what a test finds: a bot with its Plugin that is Ready."""
        bot = chatbot(namespace=self.namespace, plugins=[{"name": "returns"}], exposure=exposed())
        await self.api.apply(provider(namespace=self.namespace), plugin(namespace=self.namespace), bot)

        async def rest() -> list[str]:
            if await self.api.is_ready(self.namespace, "support"):
                return []
            return [
                *await self.api.condition(self.namespace, "support", "Ready"),
                self.operator.log.read_text()[-2000:],
            ]

        await until_empty(rest, 60)

    async def change(self) -> None:
        """Edit a Plugin and delete a child, behind the operator's back if it cannot see."""
        data = {"window": f"{next(self._days)} days"}
        self._before = await self.api.get("ConfigMap", self.namespace, "support-config")
        await self.api.apply(plugin(namespace=self.namespace, static={"data": data}))
        await self.api.delete("Service", self.namespace, "support")

    async def behind(self) -> list[str]:
        """Return what is not as it should be after `change`."""
        found = []
        config = await self.api.get("ConfigMap", self.namespace, "support-config")
        if config is None or self._before is None or config["data"]["hash"] == self._before["data"]["hash"]:
            found.append("the config is the old one")
        if await self.api.get("Service", self.namespace, "support") is None:
            found.append("the Service is missing")
        if not await self.api.is_ready(self.namespace, "support"):
            found.append(f"not ready: {await self.api.condition(self.namespace, 'support', 'Ready')}")
        return found

    async def staleness(self, kind: str) -> float:
        prefix = f'smarter_watch_staleness_seconds{{kind="{kind}"}} '
        lines = (await self.operator.metrics()).splitlines()
        return next(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))

    async def is_alive(self) -> bool:
        url = f"http://127.0.0.1:{self.operator.port}/livez"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200

    def requests_per_stream(self, since: float) -> Counter[tuple[str, str]]:
        """Count the requests of each watch or list since then, on the clock of the event loop."""
        streams = (stream_of(seen.path) for seen in self.proxy.seen if seen.at >= since and seen.verb == "GET")
        return Counter(stream for stream in streams if stream)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    installed: Cluster,
    api: Api,
    operator: OperatorProcess,
    data_plane: DataPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Scene]:
    # The operator of the other tests sees everything and would do the work.
    assert await operator.stop() == 0
    folder = tmp_path_factory.mktemp("faults")
    token = await service_account_token(api, NAMESPACE, "smarter")
    async with FaultProxy(installed.kubeconfig) as proxy:
        direct = with_token(installed.kubeconfig, token, folder / "direct")
        process = OperatorProcess(
            proxy.kubeconfig(direct, folder / "kubeconfig"),
            folder / "operator.log",
            SMARTER_RUNTIME_IMAGE="runtime:test",
            SMARTER_POD_STATUS_PORT=str(POD_STATUS_PORT),
            SMARTER_NAMESPACE=NAMESPACE,
        )
        await process.start()
        made = Scene(api, proxy, process, await api.namespace("faults"))
        await made.restore()
        yield made
        await api.delete("Chatbot", made.namespace, "support")
        await api.delete("Namespace", "", made.namespace)
        assert await process.stop() == 0, process.log.read_text()[-2000:]
    await operator.start()
