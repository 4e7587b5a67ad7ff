"""Kubernetes Events: what `kubectl describe` shows of the past. Repeats are counted, floods cut off, nobody waits."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from smarter_operator import names
from smarter_operator.cluster import Cluster, ClusterError, Manifest
from smarter_operator.kinds import EVENT
from smarter_operator.news import News

logger = logging.getLogger(__name__)

REMEMBERED = 4096
"""So many different Events are known for counting; the API server itself forgets them after an hour."""

WAITING = 1000
"""So many may wait to be written; more are dropped, for they are news and not state."""

PER_OBJECT = 10
"""So many Events of one object are written within `PER_OBJECT_SECONDS`; what is left out is in the next one's count."""

PER_OBJECT_SECONDS = 600.0

GAP_SECONDS = 0.1
"""So far apart are two writes."""

BUSY_GAP_SECONDS = 1.0
"""So far apart are they while work is waiting, so that Events never crowd it out."""

LONGEST_MESSAGE = 1024

Identity = tuple[str, str, str]
"""UID of the object, reason and message."""


@dataclass
class _Known:
    first: datetime
    count: int = 0


class Recorder:
    """Takes Events at once, and writes them while `run` runs; `instance` must be another one in every process."""

    def __init__(
        self, cluster: Cluster, now: Callable[[], datetime], instance: str, is_busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._is_busy = is_busy
        self._cluster = cluster
        self._now = now
        self._instance = instance
        self._known: OrderedDict[Identity, _Known] = OrderedDict()
        self._waiting: OrderedDict[Identity, Manifest] = OrderedDict()
        self._written: OrderedDict[str, deque[float]] = OrderedDict()
        self._news = asyncio.Event()

    def record(self, about: Manifest, news: News) -> None:
        """Record news about an object. The same news again only raises the count."""
        identity = (about["metadata"]["uid"], news.reason, news.message[:LONGEST_MESSAGE])
        now = self._now()
        known = self._known.setdefault(identity, _Known(first=now))
        known.count += 1
        self._known.move_to_end(identity)
        self._waiting[identity] = self._event(about, news, known, now)
        _limit(self._known, REMEMBERED)
        _limit(self._waiting, WAITING)
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                (uid, _, _), event = self._waiting.popitem(last=False)
                if self._may_write(uid):
                    await self._write(event)
                    await asyncio.sleep(BUSY_GAP_SECONDS if self._is_busy() else GAP_SECONDS)

    async def _write(self, event: Manifest) -> None:
        try:
            await self._cluster.write_event(event)
        except ClusterError as error:
            # The namespace may be on its way out. What an Event tells stands in the status, too.
            logger.info("cannot write event", extra={"reason": event["reason"], "error": str(error)})

    def _may_write(self, uid: str) -> bool:
        now = asyncio.get_running_loop().time()
        times = self._written.setdefault(uid, deque(maxlen=PER_OBJECT))
        self._written.move_to_end(uid)
        _limit(self._written, REMEMBERED)
        if len(times) == PER_OBJECT and now - times[0] < PER_OBJECT_SECONDS:
            return False
        times.append(now)
        return True

    def _event(self, about: Manifest, news: News, known: _Known, now: datetime) -> Manifest:
        metadata = about["metadata"]
        message = news.message[:LONGEST_MESSAGE]
        text = "\n".join([self._instance, metadata["uid"], news.reason, message])
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {
                "name": f"{metadata['name']}.{sha256(text.encode()).hexdigest()[:16]}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                **{key: metadata[key] for key in ("name", "namespace", "uid")},
            },
            "type": news.type,
            "reason": news.reason,
            "message": message,
            "count": known.count,
            "firstTimestamp": _stamp(known.first),
            "lastTimestamp": _stamp(now),
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._instance,
        }


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _limit(entries: OrderedDict[Any, Any], most: int) -> None:
    while len(entries) > most:
        entries.popitem(last=False)
