"""The operator's engine over a cluster in memory, with pods whose answers a test decides."""

import asyncio
import functools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from smarter_crds.compile import Platform
from smarter_crds.runtime_config import RuntimeProblem, RuntimeStatus
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.engine import Engine
from smarter_operator.kinds import Kind
from smarter_operator.leader import Elector
from smarter_operator.probes import HostClient
from smarter_operator.settings import Settings
from support.fake_cluster import FakeCluster

SETTINGS = Settings(runtime_image="runtime:1", platform=Platform(issuer_ref=None))
EPOCH = "2026-11-22T12:00:00Z"


def virtual_now() -> datetime:
    """Return the time of day on the clock of the event loop."""
    return datetime.fromisoformat(EPOCH) + timedelta(seconds=asyncio.get_running_loop().time())


class ScriptedPods:
    """Answers for pods by address; an address that is not listed does not answer."""

    def __init__(self) -> None:
        self.answers: dict[str, RuntimeStatus] = {}
        self.asked: list[str] = []
        self.answer_after_seconds = 0.0

    async def ask(self, address: str) -> RuntimeStatus | None:
        self.asked.append(address)
        await asyncio.sleep(self.answer_after_seconds)
        return self.answers.get(address)


class Harness:
    """Runs the engine; `settle` waits until nothing is left to do at this moment."""

    def __init__(
        self,
        cluster: FakeCluster,
        settings: Settings = SETTINGS,
        elector: Elector | None = None,
        through: Cluster | None = None,
        hosts: HostClient | None = None,
    ) -> None:
        """Let the engine reach `cluster` directly, or `through` something that stands between."""
        self.cluster = cluster
        self.pods = ScriptedPods()
        self.engine = Engine(through or cluster, self.pods, settings, elector, virtual_now, hosts)
        cluster.on_change = lambda kind, manifest, gone: self.engine.event(kind, manifest, gone=gone)

    async def __aenter__(self) -> "Harness":
        self._task = asyncio.create_task(self.engine.run())
        await self.engine.synced.wait()
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with_error = (await asyncio.gather(self._task, return_exceptions=True))[0]
        assert isinstance(with_error, asyncio.CancelledError), getattr(with_error, "exceptions", with_error)

    async def settle(self, seconds: float = 5) -> None:
        """Let virtual time pass, so that held and delayed runs come too."""
        await asyncio.sleep(seconds)

    def run_pod(self, bot: str, number: int = 0, *, config_hash: str | None = None, problems: Any = ()) -> str:
        """Make a pod that answers with the config it should serve, or the given one. Returns its address."""
        name, address = f"{bot}-{number}", f"10.0.0.{number + 1}"
        labels = {"smarter.sh/chatbot": bot}
        status = {"phase": "Running", "podIP": address}

        uid = f"pod-{name}"
        self.answer(address, uid, self.served(bot) if config_hash is None else config_hash, problems)
        metadata = {"name": name, "labels": labels, "uid": uid}
        self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
        return address

    def answer(self, address: str, uid: str, config_hash: str, problems: Any = ()) -> None:
        parsed = tuple(RuntimeProblem(reason=reason, message=message) for reason, message in problems)
        status = RuntimeStatus(pod_uid=uid, config_hash=config_hash, loaded_at=EPOCH, problems=parsed)
        self.pods.answers[address] = status

    def served(self, bot: str) -> str:
        """Return the hash of the config in the bot's ConfigMap."""
        return str(self.cluster.get("ConfigMap", f"{bot}-config")["data"]["hash"])

    def deploy(self, bot: str, ready: int = 1) -> None:
        """Let the Deployment report that its rollout is complete."""
        generation = self.cluster.get("Deployment", bot)["metadata"]["generation"]
        counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
        self.cluster.edit("Deployment", bot, status={"observedGeneration": generation, **counts})

    def route(self, bot: str) -> None:
        """Give the Ingress an address and every Certificate its readiness."""
        self.cluster.edit("Ingress", bot, status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})
        for kind, namespace, name in list(self.cluster.objects):
            if kind == "Certificate" and name.startswith(f"{bot}-"):
                ready = {"type": "Ready", "status": "True"}
                status = {"conditions": [ready], "notAfter": "2027-02-20T12:00:00Z"}
                self.cluster.edit(kind, name, namespace, status=status)


def as_a_watch(harness: Harness) -> Callable[[Kind, Manifest, bool], None]:
    """Tell of each change a moment later, so that the answer to a write comes before its event."""

    def tell(kind: Kind, manifest: Manifest, gone: bool) -> None:
        feed = functools.partial(harness.engine.event, kind, manifest, gone=gone)
        asyncio.get_running_loop().call_later(0.05, feed)

    return tell
