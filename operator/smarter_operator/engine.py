"""The operator's core: takes events in, keeps the cache, and runs the queues. It knows no watching library."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from smarter_operator import metrics, watching
from smarter_operator.api_keys import ApiKeyReconciler
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache, Change, ObjectName
from smarter_operator.claims import HostClaims
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.guard import GuardedCluster
from smarter_operator.health import Vitals
from smarter_operator.kinds import (
    API_KEY,
    BY_NAME,
    CHATBOT,
    CHATBOT_LABEL,
    DEPLOYMENT,
    HOST_CLAIM,
    NAMESPACE,
    POD,
    REFERENCED,
    WATCHED,
    Kind,
)
from smarter_operator.leader import Elector
from smarter_operator.listing import Listing
from smarter_operator.own_writes import OwnWrites
from smarter_operator.pods import PodProber, PodReport, PodReports, StatusClient
from smarter_operator.probes import HostClient, HostKey, HostProber
from smarter_operator.pulse import Pulse
from smarter_operator.reconcile import ChatbotReconciler
from smarter_operator.recorder import Recorder
from smarter_operator.references import ReferenceReconciler
from smarter_operator.reporting import Reporter, UseReporter
from smarter_operator.rollouts import Rollouts
from smarter_operator.session_keys import SessionKeys
from smarter_operator.settings import Settings
from smarter_operator.streams import Streams
from smarter_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)

USERS_SECONDS = 1.0
"""How long a change of who uses what may wait, so that many Chatbots created at once are counted once."""

RECOVERY_SECONDS = 10.0
"""Over so long what failed during an outage is spread, for all of it is due at once."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Engine:
    """Feed it with `event`; `run` works until cancelled."""

    def __init__(
        self,
        cluster: Cluster,
        client: StatusClient,
        settings: Settings,
        elector: Elector | None = None,
        now: Callable[[], datetime] = utc_now,
        host_client: HostClient | None = None,
    ) -> None:
        self._elector = elector
        self.follow(Streams())
        self._pulse = Pulse()
        self._own_writes = OwnWrites(self._enqueue)
        cluster = GuardedCluster(cluster, lambda: elector is None or elector.is_leader, self._own_writes)
        self.namespaces = settings.watch_namespaces
        self._settings = settings
        self.kinds = (*WATCHED, NAMESPACE) if settings.host_policies else WATCHED
        self.cache = Cache()
        self._listing = Listing(
            cluster, self.cache, self.kinds, lambda kind, manifest, gone: self.event(kind, manifest, gone=gone)
        )
        self.synced = self._listing.synced
        self.queue: WorkQueue[watching.Key] = WorkQueue(self._process, settings.workers)
        instance = f"{settings.identity or 'smarter-operator'}-{uuid4().hex[:8]}"
        self._recorder = Recorder(cluster, now, instance, lambda: self.queue.depth > settings.workers)
        reports = PodReports()
        self._prober = PodProber(self.cache, cluster, client, reports, self._pod_says_something_new)
        self._pods: WorkQueue[ObjectName] = WorkQueue(self._prober.probe, settings.pod_probers)
        self._hosts: HostProber | None = None
        if host_client is not None and settings.probe_seconds > 0:
            self._hosts = HostProber(self.cache, host_client, settings.probe_seconds, self._chatbot_is_to_be_judged)
        self._host_probes: WorkQueue[HostKey] = WorkQueue(self._probe_host, settings.host_probers)
        self._claims = HostClaims(cluster, self.cache, settings, now)
        self._rollouts = Rollouts(settings.max_rollouts, self._may_roll_out)
        self._chatbots = ChatbotReconciler(
            cluster=cluster,
            cache=self.cache,
            claims=self._claims,
            reports=reports,
            prober=self._prober,
            reporter=Reporter(cluster, self.cache, self._recorder.record),
            settings=settings,
            ask_pods=self._ask_pods,
            hosts=self._hosts,
            probe_hosts=self._probe_hosts,
            now=now,
            apis=MissingApis(self._listing.an_api_arrived),
            rollouts=self._rollouts,
            session_keys=SessionKeys(cluster=cluster, now=now),
        )
        uses = UseReporter(cluster, self.cache, self._recorder.record, self._enqueue)
        self._references = ReferenceReconciler(cache=self.cache, reports=reports, reporter=uses, now=now)
        self._api_keys = ApiKeyReconciler(cluster=cluster, cache=self.cache, reporter=uses, now=now)

    def event(self, kind: Kind, manifest: Manifest, *, gone: bool) -> None:
        """Take in one watch event; old news are dropped."""
        if gone:
            change = Change(kind, manifest, None) if self.cache.discard(kind, manifest) else None
        else:
            change = self.cache.put(kind, manifest)
        if change is not None and not self._own_writes.holds(change):
            self._enqueue(change)

    async def run(self) -> None:
        """List everything, then work on what changes."""
        await self._listing.first()
        logger.info("synced", extra={"chatbots": len(list(self.cache.all(CHATBOT)))})
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pulse.run())
            group.create_task(self._listing.forever(self._settings.resync_seconds))
            if self._elector is None:
                group.create_task(self._work())
            else:
                group.create_task(self._elector.run())
                group.create_task(self._work_while_leading(self._elector))

    def oldest_seconds(self) -> float:
        """Return how long the oldest resource has been waiting for a worker; a replica that stands by has none."""
        return self.queue.oldest_seconds() if self._elector is None or self._elector.is_leader else 0.0

    def follow(self, streams: Streams) -> None:
        """Judge by these streams, which the sessions tell what they see."""
        self.streams = streams
        streams.on_recovery = self._server_is_back

    def vitals(self) -> Vitals:
        """Return what tells whether there is progress; a replica that stands by has no work to be late with."""
        queues: list[WorkQueue[Any]] = (
            [self.queue, self._pods] if self._elector is None or self._elector.is_leader else []
        )
        return Vitals(
            stalled=max((queue.stalled_seconds() for queue in queues), default=0.0),
            longest_run=max((queue.longest_run_seconds() for queue in queues), default=0.0),
            loop=self._pulse.age_seconds(),
            neglect=self.streams.neglect(),
        )

    def _server_is_back(self) -> None:
        """Do at once what an outage has delayed for up to minutes, and look for what its watches missed."""
        self.queue.retry_soon(RECOVERY_SECONDS)
        self._pods.retry_soon(RECOVERY_SECONDS)
        self._listing.soon()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            group.create_task(self._pods.run())
            group.create_task(self._host_probes.run())
            group.create_task(self._recorder.run())

    async def _work_while_leading(self, elector: Elector) -> None:
        """Run the workers while we lead; whoever takes over looks at everything anew."""
        while True:
            await elector.wait(leading=True)
            for key in self._everything():
                self.queue.add(key, urgent=False)
            working = asyncio.create_task(self._work())
            try:
                await elector.wait(leading=False)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    def _everything(self) -> Iterator[watching.Key]:
        for kind in (CHATBOT, *REFERENCED):
            yield from (watching.key_of(kind.name, manifest) for manifest in self.cache.all(kind))
        # Also those that are gone: their hosts are to be released.
        yield from (watching.holder_of(claim) for claim in self.cache.all(HOST_CLAIM))

    def relisted(self) -> None:
        """Be told that a watch began anew with a list."""
        self._listing.a_watch_listed()

    def _enqueue(self, change: Change) -> None:
        for key in watching.urgent_keys(change, self.cache):
            self.queue.add(key, urgent=not watching.may_wait(change, key))
        for key in watching.patient_keys(change, self.cache):
            self.queue.add(key, after_seconds=USERS_SECONDS)
        if change.kind is HOST_CLAIM:
            self._claim_changed(change)
        if change.kind is DEPLOYMENT:
            metadata = (change.after or change.before or {})["metadata"]
            self._rollouts.observe((metadata["namespace"], metadata["name"]), change.after)
        if change.kind is POD:
            self._pod_changed(change)

    def _claim_changed(self, change: Change) -> None:
        claim = change.after or change.before
        assert claim is not None
        for bot in self._claims.waiting(claim["metadata"]["name"]):
            self.queue.add((CHATBOT.name, *bot))

    def _pod_changed(self, change: Change) -> None:
        pod = change.after or change.before
        assert pod is not None
        if change.after is None:
            chatbot = (pod["metadata"]["namespace"], str(pod["metadata"]["labels"][CHATBOT_LABEL]))
            self._prober.forget_pod(chatbot, pod["metadata"]["uid"])
        else:
            self._pods.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _ask_pods(self, pods: Iterable[ObjectName]) -> None:
        for pod in pods:
            self._pods.add(pod)

    def _probe_hosts(self, hosts: Iterable[HostKey]) -> None:
        for host in hosts:
            # Spread, for after a restart they are all new.
            self._host_probes.add(host, after_seconds=self._settings.probe_seconds * random.uniform(0.01, 0.05))

    async def _probe_host(self, host: HostKey) -> float | None:
        return await self._hosts.probe(host) if self._hosts else None

    def _chatbot_is_to_be_judged(self, chatbot: ObjectName) -> None:
        self.queue.add((CHATBOT.name, *chatbot))

    def _may_roll_out(self, chatbot: ObjectName) -> None:
        self.queue.add((CHATBOT.name, *chatbot), urgent=False)

    def _pod_says_something_new(self, chatbot: ObjectName, before: PodReport | None, after: PodReport) -> None:
        self._chatbot_is_to_be_judged(chatbot)
        for kind_name, name in _named(before) | _named(after):
            self.queue.add((kind_name, chatbot[0], name), after_seconds=USERS_SECONDS)
        if before is None:
            # What was not ready when we started may be ready by now; only what the pods say can tell.
            for kind_name, used in self.cache.used_by(*chatbot):
                if _is_unready(self.cache.get(BY_NAME[kind_name], *used)):
                    self.queue.add((kind_name, *used), after_seconds=USERS_SECONDS)

    async def _process(self, key: watching.Key) -> float | None:
        kind_name, namespace, name = key
        if self.namespaces and namespace not in self.namespaces:
            # Somebody else's, known by a HostClaim only; that we do not see the holder does not mean that it is gone.
            return None
        started, result = time.perf_counter(), "error"
        try:
            if kind_name == CHATBOT.name:
                delay = await self._chatbots.reconcile(namespace, name)
            elif kind_name == API_KEY.name:
                delay = await self._api_keys.reconcile(namespace, name)
            else:
                delay = await self._references.reconcile(BY_NAME[kind_name], namespace, name)
            result = "done" if delay is None else "again"
            return delay
        finally:
            metrics.RECONCILES.labels(kind_name, result).inc()
            metrics.RECONCILE_SECONDS.labels(kind_name).observe(time.perf_counter() - started)


def _named(report: PodReport | None) -> set[tuple[str, str]]:
    """Return kind and name of the resources with which a pod has a problem."""
    resources = {problem.resource for problem in report.problems} if report else set()
    return {(each.kind, each.name) for each in resources if each is not None and each.kind in BY_NAME}


def _is_unready(raw: Manifest | None) -> bool:
    conditions = raw.get("status", {}).get("conditions", []) if raw else []
    return any(condition["type"] == "Ready" and condition["status"] != "True" for condition in conditions)
