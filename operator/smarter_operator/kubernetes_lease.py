"""The Lease in the real API."""

from typing import Any

from smarter_operator.cluster import Manifest, NotFound
from smarter_operator.kinds import LEASE
from smarter_operator.kubernetes_cluster import KubernetesCluster, Request


class KubernetesLease:
    """Reads and writes one Lease."""

    def __init__(self, cluster: KubernetesCluster, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._metadata = {"namespace": namespace, "name": name}
        self._collection = LEASE.path(namespace)
        self._path = LEASE.path(namespace, name)

    async def read(self) -> Manifest | None:
        try:
            return await self._cluster.call(Request(verb="GET", kind=LEASE, path=self._path))
        except NotFound:
            return None

    async def create(self, spec: dict[str, Any]) -> Manifest:
        body = self._body(self._metadata, spec)
        return await self._cluster.call(Request(verb="POST", kind=LEASE, path=self._collection, body=body))

    async def replace(self, lease: Manifest, spec: dict[str, Any]) -> Manifest:
        # With the version that was read, so that of two that try at once only one succeeds.
        metadata = {**self._metadata, "resourceVersion": lease["metadata"]["resourceVersion"]}
        body = self._body(metadata, spec)
        return await self._cluster.call(Request(verb="PUT", kind=LEASE, path=self._path, body=body))

    def _body(self, metadata: dict[str, Any], spec: dict[str, Any]) -> Manifest:
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
