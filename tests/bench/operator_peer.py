"""The peer: dask-kubernetes, a kopf operator in production use, which makes three objects for each DaskCluster.

They are a Deployment, a Service, and a DaskWorkerGroup of the cluster's own, here without workers.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from bench.operator_load import POLL_SECONDS, Speed, at_once
from bench.operator_stage import Stage
from smarter_cluster.settings import Settings
from smarter_operator.kinds import Kind
from support.api import KINDS, Manifest, eventually

PACKAGE = "dask-kubernetes==2026.3.0"
GROUP, VERSION = "kubernetes.dask.org", "v1"
LONGEST_SECONDS = 120.0
"""After so long the speed is taken from what is made until then."""

MADE = ("Deployment", "Service", "DaskWorkerGroup")
_SWEPT = ("DaskCluster", "DaskWorkerGroup", "Deployment", "Service", "ReplicaSet", "Pod")
_START_SECONDS = 60.0
_SWEEP_SECONDS = 600.0

KINDS_OF_PEER = {
    "DaskCluster": Kind("DaskCluster", GROUP, VERSION, "daskclusters"),
    "DaskWorkerGroup": Kind("DaskWorkerGroup", GROUP, VERSION, "daskworkergroups"),
}


def environment() -> Path:
    """Have a virtual environment with the peer in the cache; return its folder."""
    folder = Settings().cache / "bench" / PACKAGE.replace("==", "-")
    if not (folder / "ready").exists():
        print(f"installing {PACKAGE}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", PACKAGE], check=True)
        (folder / "ready").touch()
    return folder


async def by_peer(stage: Stage, namespace: str, size: int) -> Speed:
    """Create DaskClusters and wait until the running peer has made all their objects, or for the longest time."""
    folder = environment()
    [crds] = folder.glob("lib/*/site-packages/dask_kubernetes/operator/deployment/helm/*/crds")
    for path in sorted(crds.glob("*.yaml")):
        stage.cluster.kubectl("apply", "--server-side", "-f", str(path))
    KINDS.update(KINDS_OF_PEER)
    await stage.api.namespace(namespace)
    async with _running(stage, folder):
        await _warm_up(stage, namespace)
        before = await _made(stage, namespace)
        started = time.perf_counter()
        creating = asyncio.create_task(at_once(lambda number: _create(stage, namespace, number), range(size)))
        wanted = before + len(MADE) * size

        async def done() -> bool:
            late = time.perf_counter() - started > LONGEST_SECONDS
            return late or await _made(stage, namespace) >= wanted

        await eventually(done, 2 * LONGEST_SECONDS, POLL_SECONDS)
        objects, taken = await _made(stage, namespace) - before, time.perf_counter() - started
        await creating
    return Speed(resources=objects // len(MADE), objects=objects, seconds=taken)


@asynccontextmanager
async def _running(stage: Stage, folder: Path) -> AsyncIterator[None]:
    command = [folder / "bin" / "kopf", "run", "--all-namespaces", "-m", "dask_kubernetes.operator.controller"]
    inherited = dict(os.environ)  # noqa: TID251
    with (stage.folder / "peer.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), env=inherited | {"KUBECONFIG": str(stage.cluster.kubeconfig)}, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _warm_up(stage: Stage, namespace: str) -> None:
    """Wait until the peer works: its first resource is made in full."""
    await _create(stage, namespace, 99_999)

    async def works() -> bool:
        return await _made(stage, namespace) == len(MADE)

    await eventually(works, _START_SECONDS)


async def _made(stage: Stage, namespace: str) -> int:
    return sum([await stage.count(kind, namespace) for kind in MADE])


async def _create(stage: Stage, namespace: str, number: int) -> None:
    manifest = yaml.safe_load(_CLUSTER.replace("NAME", f"dask-{number:05}"))
    await stage.api.call("POST", KINDS_OF_PEER["DaskCluster"].path(namespace), body=manifest)


async def sweep(stage: Stage, namespace: str) -> None:
    """Remove what the peer made, and its finalizers, which nobody would take away any more."""

    async def swept() -> bool:
        for kind in _SWEPT:
            await _release(stage, kind, namespace)
            query = {"propagationPolicy": "Background", "gracePeriodSeconds": "0"}
            await stage.api.call("DELETE", KINDS[kind].path(namespace), query=query)
        return not any([await stage.count(kind, namespace) for kind in _SWEPT])

    await eventually(swept, _SWEEP_SECONDS, every_seconds=1)


async def _release(stage: Stage, kind: str, namespace: str) -> None:
    bound = [item["metadata"] for item in await stage.api.list_all(kind, namespace) if _has_finalizers(item)]
    body = {"metadata": {"finalizers": None}}

    async def release(number: int) -> None:
        await stage.api.patch(kind, namespace, bound[number]["name"], body)

    await at_once(release, range(len(bound)))


def _has_finalizers(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("finalizers"))


_CLUSTER = """
apiVersion: kubernetes.dask.org/v1
kind: DaskCluster
metadata: {name: NAME}
spec:
  worker:
    replicas: 0
    spec:
      containers:
      - {name: worker, image: dask:bench, args: [dask-worker, --name, $(DASK_WORKER_NAME)]}
  scheduler:
    spec:
      containers:
      - name: scheduler
        image: dask:bench
        args: [dask-scheduler]
        ports:
        - {name: tcp-comm, containerPort: 8786, protocol: TCP}
        - {name: http-dashboard, containerPort: 8787, protocol: TCP}
        readinessProbe:
          httpGet: {port: http-dashboard, path: /health}
    service:
      type: ClusterIP
      selector: {dask.org/cluster-name: NAME, dask.org/component: scheduler}
      ports:
      - {name: tcp-comm, protocol: TCP, port: 8786, targetPort: tcp-comm}
      - {name: http-dashboard, protocol: TCP, port: 8787, targetPort: http-dashboard}
"""
