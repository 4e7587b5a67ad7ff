"""Lists against the cache: what a watch missed is found, and what vanished unseen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from smarter_operator import watching
from smarter_operator.cache import Cache
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.kinds import Kind

FETCHED_ONE_BY_ONE = 20
"""When a watch has missed more objects of a kind, all of the kind are listed."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Lists kinds, and reports what is news as watches do."""

    cluster: Cluster
    cache: Cache
    kinds: Sequence[Kind]
    report: Callable[[Kind, Manifest, bool], None]
    """Takes an object and whether it is gone."""

    async def resync(self) -> None:
        """List everything anew: what a watch missed is taken in, what vanished unseen is pruned."""
        for kind in self.kinds:
            known = self.cache.uids(kind)
            listed = await (self.cluster.list_metadata(kind) if known else self.cluster.list_objects(kind))
            for manifest in self.cache.vanished(kind, listed, known):
                self.report(kind, manifest, True)
            for manifest in await self._missed(kind, listed) if known else listed:
                self.report(kind, manifest, False)

    async def _missed(self, kind: Kind, listed: Iterable[Manifest]) -> list[Manifest]:
        """Return the objects of which only metadata was listed, as far as we do not know them like that."""
        names = [watching.key_of(kind.name, item)[1:] for item in listed if not self.cache.is_current(kind, item)]
        if len(names) > FETCHED_ONE_BY_ONE:
            return await self.cluster.list_objects(kind)
        return [item for name in names for item in await self.cluster.list_objects(kind, *name)]
