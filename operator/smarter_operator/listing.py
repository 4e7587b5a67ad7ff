"""Lists against the cache: at the start, after a gap in a watch, and now and then; what the watches missed is found."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Sequence

from smarter_operator import watching
from smarter_operator.cache import Cache
from smarter_operator.cluster import Cluster, ClusterError, Manifest
from smarter_operator.kinds import Kind
from smarter_operator.workqueue import patience

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0

FIRST_LISTS_SECONDS = 10.0
"""So long after our own first list, lists of the watches are their first ones too, and mean nothing."""

SETTLES_SECONDS = 2.0
"""The lists of other kinds follow within moments; one resync is for all."""

WATCH_STARTS_SECONDS = 10.0
"""So long it may take until a kind that just came into being is watched."""

FETCHED_ONE_BY_ONE = 20
"""When a watch has missed more objects of a kind, all of the kind are listed."""

Report = Callable[[Kind, Manifest, bool], None]
"""Takes an object and whether it is gone."""


class Listing:
    """Lists `kinds`, and reports what is news as watches do. `synced` is set when everything was listed once."""

    def __init__(self, cluster: Cluster, cache: Cache, kinds: Sequence[Kind], report: Report) -> None:
        self._cluster = cluster
        self._cache = cache
        self._kinds = kinds
        self._report = report
        self.synced = asyncio.Event()
        self._synced_at = float("inf")
        self._hurry = asyncio.Event()

    async def first(self) -> None:
        """List until it succeeds once."""
        while True:
            try:
                await self.resync()
            except ClusterError as error:
                seconds = max(RETRY_SECONDS, patience(error))
                logger.warning("cannot list", extra={"error": str(error), "retry_seconds": seconds})
                await asyncio.sleep(seconds)
            else:
                self._synced_at = asyncio.get_running_loop().time()
                self.synced.set()
                return

    async def forever(self, every_seconds: float) -> None:
        """List now and then, and soon when there is a reason."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Jittered, so that two replicas do not list at the same time for ever.
                async with asyncio.timeout(every_seconds * random.uniform(0.9, 1.1)):
                    await self._hurry.wait()
            await asyncio.sleep(SETTLES_SECONDS)
            self._hurry.clear()
            try:
                await self.resync()
            except ClusterError as error:
                logger.warning("cannot list", extra={"error": str(error)})
                self._hurry.set()
                await asyncio.sleep(patience(error))

    def soon(self) -> None:
        """List soon, for watches may have missed something."""
        if self.synced.is_set():
            self._hurry.set()

    def a_watch_listed(self) -> None:
        """Be told that a watch began anew with a list: what vanished meanwhile was reported to nobody."""
        if asyncio.get_running_loop().time() > self._synced_at + FIRST_LISTS_SECONDS:
            self._hurry.set()

    def an_api_arrived(self) -> None:
        """List everything once the new kind is watched: what vanished before that is reported to nobody."""
        asyncio.get_running_loop().call_later(WATCH_STARTS_SECONDS, self._hurry.set)

    async def resync(self) -> None:
        """List everything anew: what a watch missed is taken in, what vanished unseen is pruned."""
        for kind in self._kinds:
            known = self._cache.uids(kind)
            listed = await (self._cluster.list_metadata(kind) if known else self._cluster.list_objects(kind))
            for manifest in self._cache.vanished(kind, listed, known):
                self._report(kind, manifest, True)
            for manifest in await self._missed(kind, listed) if known else listed:
                self._report(kind, manifest, False)

    async def _missed(self, kind: Kind, listed: Iterable[Manifest]) -> list[Manifest]:
        """Return the objects of which only metadata was listed, as far as we do not know them like that."""
        names = [watching.key_of(kind.name, item)[1:] for item in listed if not self._cache.is_current(kind, item)]
        if len(names) > FETCHED_ONE_BY_ONE:
            return await self._cluster.list_objects(kind)
        return [item for name in names for item in await self._cluster.list_objects(kind, *name)]
