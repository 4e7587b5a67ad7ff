"""The place of the operator's benchmark: one API server, the operator with its chart's rights, and its metrics."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from smarter_cluster.charts import NAMESPACE, install
from smarter_cluster.cluster import Cluster
from smarter_operator.kinds import CHATBOT, CHILDREN, EVENT, HOST_CLAIM, LEASE, SECRET
from smarter_operator.kubernetes_cluster import KubernetesCluster, load_configuration, new_session
from smarter_operator.settings import Settings
from support.api import KINDS, MUTATING, Api, ApiError, eventually
from support.manifests import plugin, provider
from support.operator_process import OperatorProcess, service_account_token, with_token

ROOT = Path(__file__).parents[2]
RUNTIME_IMAGE = "runtime:bench"
PLUGIN = "returns"
QUIET_SECONDS = 12.0
"""So long nothing may be written before the operator counts as settled; a held count of users comes within ten."""

LONGEST_SECONDS = 900.0
_SWEPT = (CHATBOT.name, HOST_CLAIM.name, SECRET.name, *(kind.name for kind in CHILDREN), "ReplicaSet", "Pod")

Calls = dict[tuple[str, str], float]
"""Requests of the operator by verb and kind."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a process takes, in MiB: all its resident pages, and its fair share of those it has in common."""

    rss_mib: float
    pss_mib: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The API server as administrator (`api`) and as the operator's service account (`kubeconfig`)."""

    cluster: Cluster
    api: Api
    folder: Path
    kubeconfig: Path = field(default=Path())

    @asynccontextmanager
    async def operator(self, **settings: str) -> AsyncIterator[OperatorProcess]:
        """The operator as its chart runs it, elected by its Lease."""
        process = OperatorProcess(
            self.kubeconfig,
            self.folder / "operator.log",
            SMARTER_RUNTIME_IMAGE=RUNTIME_IMAGE,
            SMARTER_NAMESPACE=NAMESPACE,
            SMARTER_LEASE_NAMESPACE=NAMESPACE,
            SMARTER_LEASE_NAME="smarter",
            SMARTER_IDENTITY="bench",
            # The hosts of the Chatbots are in no DNS, and looking for them would only measure that of the machine.
            SMARTER_PROBE_SECONDS="0",
            **settings,
        )
        await process.start(LONGEST_SECONDS)
        try:
            yield process
        finally:
            await process.stop()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[KubernetesCluster]:
        """The operator's own client, with the operator's rights."""
        configuration = await load_configuration(str(self.kubeconfig))
        async with new_session(configuration, connections=64) as session:
            yield KubernetesCluster(str(configuration.host), session, Settings(runtime_image="").api_timeout_seconds)

    async def namespace(self, name: str) -> str:
        """Make a namespace with a Provider and a Plugin, and wait for what Kubernetes puts into it by itself."""
        await self.api.namespace(name)
        await self.api.apply(provider(namespace=name), plugin(PLUGIN, name))
        await eventually(lambda: self.api.get("ConfigMap", name, "kube-root-ca.crt"))
        await eventually(lambda: self.api.get("ServiceAccount", name, "default"))
        return name

    async def count(self, kind: str, namespace: str) -> int:
        """Return how many objects there are, of a kind without namespaces in all; 0 where the API is missing."""
        try:
            page = await self.api.call("GET", _collection(kind, namespace), query={"limit": "1"})
        except ApiError as error:
            if error.code == 404:
                return 0
            raise
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))

    async def sweep(self, namespace: str) -> None:
        """Remove all Chatbots and all that came of them; the operator must not run."""

        async def swept() -> bool:
            for kind in _SWEPT:
                await self._delete_all(kind, namespace)
            # Kubernetes puts its own ConfigMap and ServiceAccount back at once.
            gone = (CHATBOT.name, HOST_CLAIM.name, "Deployment", "Pod")
            return not any([await self.count(kind, namespace) for kind in gone])

        await eventually(swept, LONGEST_SECONDS, every_seconds=1)

    async def _delete_all(self, kind: str, namespace: str) -> None:
        if await self.count(kind, namespace):
            query = {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}
            await self.api.call("DELETE", _collection(kind, namespace), query=query)


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[Stage]:
    """A new API server with the project's charts, gone afterwards."""
    cluster = Cluster(name, "api")
    cluster.down()
    cluster.up()
    try:
        install(cluster, ROOT, {"operator": "operator:bench", "runtime": RUNTIME_IMAGE}, wait=False)
        async with Api(str(cluster.kubeconfig)) as api:
            token = await service_account_token(api, NAMESPACE, "smarter")
            kubeconfig = with_token(cluster.kubeconfig, token, folder / "kubeconfig")
            yield Stage(cluster=cluster, api=api, folder=folder, kubeconfig=kubeconfig)
    finally:
        cluster.down()


def stop_controllers(stage: Stage) -> None:
    """End the controller manager for good: no ReplicaSets, pods or garbage collection any more, for nobody."""
    for component in stage.cluster.status():
        if component.name == "kube-controller-manager" and component.pid is not None:
            psutil.Process(component.pid).kill()


async def calls(operator: OperatorProcess) -> Calls:
    """Return the operator's requests since its start, but those about its Lease."""
    found: Calls = {}
    for labels, value in await _samples(operator, "smarter_api_requests_total"):
        if labels["kind"] != LEASE.name:
            key = (labels["verb"], labels["kind"])
            found[key] = found.get(key, 0) + value
    return found


def writes(found: Calls) -> int:
    return round(sum(value for (verb, _), value in found.items() if verb in MUTATING))


async def reconciles(operator: OperatorProcess) -> int:
    """Return how often Chatbots were reconciled since the start."""
    samples = await _samples(operator, "smarter_reconcile_total")
    return round(sum(value for labels, value in samples if labels["kind"] == CHATBOT.name))


async def settled(operator: OperatorProcess) -> Calls:
    """Wait until the operator writes nothing but Events, which trickle for minutes; return its calls."""
    state = -1
    since = time.perf_counter()

    async def quiet() -> bool:
        nonlocal state, since
        now = writes({call: number for call, number in (await calls(operator)).items() if call[1] != EVENT.name})
        if now != state:
            state, since = now, time.perf_counter()
        return time.perf_counter() - since >= QUIET_SECONDS

    await eventually(quiet, LONGEST_SECONDS, every_seconds=1)
    return await calls(operator)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def cpu_seconds(process: psutil.Process) -> float:
    """Return what the process has used of the processor since its start."""
    times = process.cpu_times()
    return times.user + times.system


def memory(operator: OperatorProcess) -> Memory:
    found = psutil.Process(operator.pid).memory_full_info()
    return Memory(rss_mib=round(found.rss / 2**20, 1), pss_mib=round(found.pss / 2**20, 1))


def _collection(kind: str, namespace: str) -> str:
    return KINDS[kind].path("" if KINDS[kind].cluster_scoped else namespace)


async def _samples(operator: OperatorProcess, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(await operator.metrics(name))
    return [(sample.labels, sample.value) for family in families for sample in family.samples if sample.name == name]
