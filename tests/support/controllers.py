"""What Kubernetes, kubelet, ingress controller and cert-manager do to the objects of a cluster in memory."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from smarter_crds.runtime_config import RuntimeProblem, RuntimeStatus
from smarter_crds.session_key import SESSION_KEY_MISSING
from smarter_operator.cluster import Manifest
from smarter_operator.names import NUDGE_ANNOTATION, config_map
from support.fake_cluster import FakeCluster
from support.manifests import session_secret_of
from support.operator_harness import EPOCH, Harness, ScriptedPods

STEP_SECONDS = 0.25
CERTIFIED = {"conditions": [{"type": "Ready", "status": "True"}], "notAfter": "2027-02-20T12:00:00Z"}
_NO_SESSION_KEY = RuntimeProblem(reason=SESSION_KEY_MISSING, message="It is gone.")
ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}


class Controllers:
    """Acts step by step; `pods` answers for every pod that it runs, whichever operator asks."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count(1)
        self._nudges: dict[str, str] = {}
        self.pods = ScriptedPods()

    def serve(self, harness: Harness) -> Harness:
        """Let the harness ask the pods that run here."""
        harness.pods.answers = self.pods.answers
        return harness

    async def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Act for a while, or until something has happened."""
        for _ in range(int(seconds / STEP_SECONDS)):
            if until():
                return
            self.step()
            await asyncio.sleep(STEP_SECONDS)

    async def rest(self, quiet_seconds: float = 20, at_most_seconds: float = 400) -> None:
        """Act until nothing has changed for a while.

        Raises:
            AssertionError: when something still writes after all that time.
        """
        versions: set[str] = set()
        quiet = 0.0
        for _ in range(int(at_most_seconds / STEP_SECONDS)):
            self.step()
            await asyncio.sleep(STEP_SECONDS)
            now = {manifest["metadata"]["resourceVersion"] for manifest in self._cluster.objects.values()}
            quiet = quiet + STEP_SECONDS if now == versions else 0
            versions = now
            if quiet >= quiet_seconds:
                return
        raise AssertionError(f"something still writes: {self._cluster.writes[-10:]}")

    def step(self) -> None:
        self._collect_garbage()
        for deployment in self._of("Deployment"):
            self._roll_out(deployment)
        for pod in self._of("Pod"):
            self._refresh(pod)
        for kind, status in (("Ingress", ADDRESS), ("Certificate", CERTIFIED)):
            for manifest in self._of(kind):
                self._set_status(manifest, status)
        for listeners in self._of("ListenerSet"):
            self._set_status(listeners, {"conditions": _opened(listeners["metadata"]["generation"])})
        for route in self._of("HTTPRoute"):
            self._set_status(route, {"parents": [_accepted(parent) for parent in route["spec"].get("parentRefs", [])]})

    def _collect_garbage(self) -> None:
        while orphans := list(self._orphans()):
            for kind, namespace, name in orphans:
                self._cluster.remove(kind, name, namespace)

    def _orphans(self) -> Iterator[tuple[str, str, str]]:
        alive = {manifest["metadata"]["uid"] for manifest in self._cluster.objects.values()}
        for key, manifest in self._cluster.objects.items():
            owners = manifest["metadata"].get("ownerReferences", [])
            if owners and not any(owner["uid"] in alive for owner in owners):
                yield key

    def _roll_out(self, deployment: Manifest) -> None:
        """Replace pods of an older template at once, and count the new ones."""
        metadata, spec = deployment["metadata"], deployment.get("spec") or {}
        own = [pod for pod in self._of("Pod") if pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]]
        wanted = spec.get("replicas", 1)
        current = [pod for pod in own if pod["spec"] == spec.get("template", {}).get("spec", {})][:wanted]
        for pod in own:
            if pod not in current:
                self._cluster.remove("Pod", pod["metadata"]["name"], metadata["namespace"])
        # A kubelet holds a pod back until there is what it mounts.
        if self._config(deployment) is None:
            return
        for _ in range(wanted - len(current)):
            self._start(deployment)
        status: Manifest = {"observedGeneration": metadata["generation"]}
        if wanted:
            status |= dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        self._set_status(deployment, status)

    def _start(self, deployment: Manifest) -> None:
        metadata, template = deployment["metadata"], deployment["spec"].get("template", {})
        number = next(self._numbers)
        address = f"10.0.{number // 250}.{number % 250 + 1}"
        owner = {"kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
        made = copy.deepcopy(template.get("metadata", {})) | {
            "name": f"{metadata['name']}-{number}",
            "namespace": metadata["namespace"],
            "uid": f"pod-{number}",
            "ownerReferences": [owner],
        }
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
        status = {"phase": "Running", "podIP": address, "conditions": ready}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": copy.deepcopy(template.get("spec", {}))}
        self._mount({**pod, "status": status})
        self._cluster.create({**pod, "status": status})

    def _refresh(self, pod: Manifest) -> None:
        nudge = pod["metadata"].get("annotations", {}).get(NUDGE_ANNOTATION, "")
        if nudge != self._nudges.get(pod["metadata"]["uid"], ""):
            self._nudges[pod["metadata"]["uid"]] = nudge
            self._mount(pod)

    def _mount(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        mounted = self._config({"metadata": {**metadata, "name": metadata["ownerReferences"][0]["name"]}})
        if mounted is None:
            return
        config_hash = str(mounted["data"]["hash"])
        session_secret = ("Secret", metadata["namespace"], session_secret_of(pod))
        problems = () if session_secret in self._cluster.objects else (_NO_SESSION_KEY,)
        answer = RuntimeStatus(pod_uid=metadata["uid"], config_hash=config_hash, loaded_at=EPOCH, problems=problems)
        self.pods.answers[pod["status"]["podIP"]] = answer

    def _config(self, deployment: Manifest) -> Manifest | None:
        """Return the ConfigMap of the bot, unless somebody has emptied it."""
        metadata = deployment["metadata"]
        found = self._cluster.objects.get(("ConfigMap", metadata["namespace"], config_map(metadata["name"])))
        return found if found and (found.get("data") or {}).get("hash") else None

    def _of(self, kind: str) -> list[Manifest]:
        return [manifest for manifest in self._cluster.objects.values() if manifest["kind"] == kind]

    def _set_status(self, manifest: Manifest, status: dict[str, Any]) -> None:
        if manifest.get("status") != status:
            metadata = manifest["metadata"]
            self._cluster.edit(manifest["kind"], metadata["name"], metadata["namespace"], status=status)


def _opened(generation: int) -> list[Manifest]:
    stamp = {"status": "True", "observedGeneration": generation}
    return [{"type": name, **stamp} for name in ("Accepted", "Programmed")]


def _accepted(parent: Manifest) -> Manifest:
    conditions = [{"type": name, "status": "True"} for name in ("Accepted", "ResolvedRefs")]
    return {"parentRef": parent, "controllerName": "gateway.example/controller", "conditions": conditions}
