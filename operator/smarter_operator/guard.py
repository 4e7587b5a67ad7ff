"""Lets writes through only while this replica leads, and notes those under way; reads always pass."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smarter_operator.cluster import Cluster, Manifest, Unavailable
from smarter_operator.kinds import Kind
from smarter_operator.names import FIELD_MANAGER
from smarter_operator.own_writes import OwnWrites


class GuardedCluster:
    """A `Cluster` that refuses to start a write when `may_write()` says no at that moment.

    A request in flight when the lead is lost is harmless: it is idempotent, and bound to the object it means.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool], own_writes: OwnWrites) -> None:
        self._cluster = cluster
        self._may_write = may_write
        self._own_writes = own_writes

    async def list_objects(self, kind: Kind, namespace: str = "", name: str = "") -> list[Manifest]:
        return await self._cluster.list_objects(kind, namespace, name)

    async def list_metadata(self, kind: Kind) -> list[Manifest]:
        return await self._cluster.list_metadata(kind)

    async def read_metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return await self._cluster.read_metadata(kind, namespace, name)

    async def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return await self._cluster.read(kind, namespace, name)

    async def create_object(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, manifest) as answered:
            return answered(await self._cluster.create_object(kind, manifest))

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, manifest) as answered:
            return answered(await self._cluster.replace(kind, manifest))

    async def apply(self, kind: Kind, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, manifest) as answered:
            return answered(await self._cluster.apply(kind, manifest, manager))

    async def patch(
        self, kind: Kind, live: Manifest, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, live) as answered:
            return answered(await self._cluster.patch(kind, live, operations, manager))

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, manifest) as answered:
            return answered(await self._cluster.apply_new(kind, manifest))

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        with self._own_writes.writing(kind, manifest) as answered:
            return answered(await self._cluster.apply_status(kind, manifest))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", version: str = "") -> None:
        self._check()
        await self._cluster.delete(kind, namespace, name, uid, version)

    async def write_event(self, event: Manifest) -> None:
        self._check()
        await self._cluster.write_event(event)

    async def annotate_pod(self, namespace: str, name: str, annotations: dict[str, str]) -> None:
        self._check()
        await self._cluster.annotate_pod(namespace, name, annotations)

    def _check(self) -> None:
        if not self._may_write():
            raise Unavailable("this replica does not lead any more")
