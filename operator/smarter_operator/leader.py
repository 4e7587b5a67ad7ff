"""Which of several replicas may write: a Lease, judged by the local clock alone, so that clocks need not agree."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from smarter_operator import metrics
from smarter_operator.cluster import ClusterError, Conflict, Manifest

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
"""For so long others wait after the last renewal they saw."""

RENEW_SECONDS = 10.0
"""So long after the start of its last renewal a leader holds itself for one; less than others wait."""

RETRY_SECONDS = 2.0

TRY_SECONDS = 5.0
"""After so long an unanswered call is given up, so that there is time for another before the lead is lost."""


class Leases(Protocol):
    """The Lease in the API. Every method may raise a `ClusterError`; a stale `replace` raises `Conflict`."""

    async def read(self) -> Manifest | None: ...

    async def create(self, spec: dict[str, Any]) -> Manifest: ...

    async def replace(self, lease: Manifest, spec: dict[str, Any]) -> Manifest: ...


class Elector:
    """Takes part in the election while `run` runs; `release` gives the Lease up at once."""

    def __init__(
        self, leases: Leases, identity: str, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._now = now
        # Not the event loop's clock: a loop may keep the time of the moment before the process was paused.
        self._clock = clock
        self._renewed_at = float("-inf")
        self._seen: _Seen | None = None
        self._tried = asyncio.Condition()

    @property
    def is_leader(self) -> bool:
        return self._clock() < self._renewed_at + RENEW_SECONDS

    async def run(self) -> None:
        """Renew or try to take the Lease, until cancelled."""
        while True:
            led = self.is_leader
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    await self._try()
            except (ClusterError, TimeoutError) as error:
                logger.warning("cannot renew the lease", extra={"error": str(error)})
            if led != self.is_leader:
                logger.info("leading" if self.is_leader else "not leading", extra={"identity": self._identity})
            metrics.LEADER.set(self.is_leader)
            async with self._tried:
                self._tried.notify_all()
            await asyncio.sleep(RETRY_SECONDS)

    async def wait(self, *, leading: bool) -> None:
        """Return when we lead, or when we do not."""
        async with self._tried:
            await self._tried.wait_for(lambda: self.is_leader == leading)

    async def release(self) -> None:
        """Let the next replica take over without waiting; nothing happens when somebody else leads."""
        if not self.is_leader:
            return
        self._renewed_at = float("-inf")
        try:
            lease = await self._leases.read()
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                await self._leases.replace(lease, self._spec(lease, holder="", seconds=1))
        except ClusterError as error:
            logger.warning("cannot release the lease", extra={"error": str(error)})

    async def _try(self) -> None:
        started = self._clock()
        lease = await self._leases.read()
        try:
            if lease is None:
                await self._leases.create(self._spec(None, self._identity, LEASE_SECONDS))
            elif self._may_take(lease, started):
                await self._leases.replace(lease, self._spec(lease, self._identity, LEASE_SECONDS))
            else:
                self._renewed_at = float("-inf")
                return
        except Conflict:
            return
        self._renewed_at = started

    def _may_take(self, lease: Manifest, now: float) -> bool:
        """Tell whether the Lease is ours, free, or was not renewed for its time on our clock."""
        holder, version = lease["spec"].get("holderIdentity", ""), lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, now)
        seconds = lease["spec"].get("leaseDurationSeconds", LEASE_SECONDS)
        return holder in ("", self._identity) or now >= self._seen.at + seconds

    def _spec(self, lease: Manifest | None, holder: str, seconds: int) -> dict[str, Any]:
        before = lease["spec"] if lease else {}
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = before.get("holderIdentity") == holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": before.get("acquireTime", stamp) if same else stamp,
            "renewTime": stamp,
            "leaseTransitions": before.get("leaseTransitions", 0) + (not same and bool(before)),
        }


@dataclass(frozen=True)
class _Seen:
    version: str
    at: float
