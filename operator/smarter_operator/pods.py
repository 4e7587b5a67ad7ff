"""What the pods really run: each is asked at its status port, and nudged when it still serves an old config."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from smarter_crds.runtime_config import RuntimeProblem, RuntimeStatus
from smarter_crds.session_key import SESSION_KEY_MISSING
from smarter_operator import names
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, ClusterError, Manifest
from smarter_operator.kinds import CHATBOT_LABEL, POD

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 60.0
"""How often a pod that serves what it should is asked again, give or take a fifth."""

NUDGE_AGAIN_SECONDS = 2.0
"""How long a pod may show the old config before the kubelet is nudged once more."""

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0


class StatusClient(Protocol):
    """Asks one pod."""

    async def ask(self, address: str) -> RuntimeStatus | None:
        """Return the answer of the pod at this IP address, or None when it gives none."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the pods of a Chatbot shall serve; an empty hash: there is nothing yet."""

    config_hash: str = ""
    keys_hash: str = ""


@dataclass(frozen=True, kw_only=True)
class PodReport:
    """What one pod said when it was asked last; an empty hash means that it could not be asked."""

    config_hash: str = ""
    keys_hash: str | None = None
    """None: it could not be asked, or is too old to know keys."""
    problems: tuple[RuntimeProblem, ...] = ()

    @property
    def misses_session_key(self) -> bool:
        return any(problem.reason == SESSION_KEY_MISSING for problem in self.problems)

    def serves(self, wanted: Wanted) -> bool:
        is_newest = self.config_hash == wanted.config_hash and self.keys_hash in (None, wanted.keys_hash)
        # A session key that was made anew reaches the pods by the same nudge as a config.
        return is_newest and not self.misses_session_key


@dataclass(frozen=True, kw_only=True)
class _Wait:
    """How the waiting for one pod stands."""

    wanted: Wanted
    asked: int = 0
    nudges: int = 0
    nudged_at: float = float("-inf")


OnChange = Callable[[ObjectName, PodReport | None, PodReport], None]
"""Is told the Chatbot and what the pod said before (None: it was never asked) and now."""


class PodReports:
    """The last report of every pod, by its UID."""

    def __init__(self) -> None:
        self._reports: dict[str, PodReport] = {}

    def of(self, uids: Iterable[str]) -> Mapping[str, PodReport]:
        return {uid: self._reports[uid] for uid in uids if uid in self._reports}

    def put(self, uid: str, report: PodReport) -> PodReport | None:
        """Remember a report; returns the one before."""
        before = self._reports.get(uid)
        self._reports[uid] = report
        return before

    def forget(self, uid: str) -> PodReport | None:
        return self._reports.pop(uid, None)


class PodProber:
    """Asks pods until they serve what is wanted. `on_change` is told the Chatbot whenever a pod says something new."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        client: StatusClient,
        reports: PodReports,
        on_change: OnChange,
    ) -> None:
        self._cache = cache
        self._cluster = cluster
        self._client = client
        self._reports = reports
        self._on_change = on_change
        self._wanted: dict[ObjectName, Wanted] = {}
        self._waits: dict[str, _Wait] = {}

    def want(self, chatbot: ObjectName, wanted: Wanted) -> list[ObjectName]:
        """Say what the pods of a Chatbot shall serve. Returns the pods to be asked because that changed."""
        if self._wanted.get(chatbot) == wanted:
            return []
        self._wanted[chatbot] = wanted
        return [(chatbot[0], name) for name in self._cache.children(POD, *chatbot)]

    def forget(self, chatbot: ObjectName) -> None:
        self._wanted.pop(chatbot, None)

    async def probe(self, key: ObjectName) -> float | None:
        """Ask one pod once and nudge it if needed. Returns the seconds until it shall be asked again."""
        pod = self._cache.get(POD, *key)
        address = pod.get("status", {}).get("podIP", "") if pod else ""
        if pod is None or not address or "deletionTimestamp" in pod["metadata"]:
            return None
        chatbot = (key[0], str(pod["metadata"]["labels"][CHATBOT_LABEL]))
        uid, wanted = pod["metadata"]["uid"], self._wanted.get(chatbot, Wanted())
        report = await self._ask(address, uid)
        before = self._reports.put(uid, report)
        if before != report:
            self._on_change(chatbot, before, report)
        if not wanted.config_hash or report.serves(wanted):
            self._waits.pop(uid, None)
            return ASK_AGAIN_SECONDS * random.uniform(0.8, 1.2)
        return await self._wait(pod, wanted, answered=bool(report.config_hash))

    def forget_pod(self, chatbot: ObjectName, uid: str) -> None:
        self._waits.pop(uid, None)
        before = self._reports.forget(uid)
        if before is not None and before.problems:
            self._on_change(chatbot, before, PodReport())

    async def _ask(self, address: str, uid: str) -> PodReport:
        status = await self._client.ask(address)
        # Addresses are reused: an answer of another pod says nothing about this one.
        if status is None or status.pod_uid != uid:
            return PodReport()
        return PodReport(config_hash=status.config_hash, keys_hash=status.keys_hash, problems=status.problems)

    async def _wait(self, pod: Manifest, wanted: Wanted, *, answered: bool) -> float:
        uid, now = pod["metadata"]["uid"], asyncio.get_running_loop().time()
        wait = self._waits.get(uid)
        if wait is None or wait.wanted != wanted:
            wait = _Wait(wanted=wanted)
        # A pod that never answered is just starting, and reads the newest config by itself.
        if answered and now - wait.nudged_at >= NUDGE_AGAIN_SECONDS * 2 ** min(wait.nudges, 5) / 2:
            await self._nudge(pod, wanted, wait.nudges)
            wait = replace(wait, nudges=wait.nudges + 1, nudged_at=now)
        self._waits[uid] = replace(wait, asked=wait.asked + 1)
        # The exponent is bounded, for a pod may stay silent for days and floats end at 1.2**3893.
        return min(FIRST_WAIT_SECONDS * 1.2 ** min(wait.asked, 30), LONGEST_WAIT_SECONDS)

    async def _nudge(self, pod: Manifest, wanted: Wanted, nudges: int) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        parts = [wanted.config_hash[:16], *([wanted.keys_hash[:16]] if wanted.keys_hash else []), str(nudges)]
        try:
            await self._cluster.annotate_pod(namespace, name, {names.NUDGE_ANNOTATION: ".".join(parts)})
        except ClusterError as error:
            # The kubelet refreshes by itself within two minutes; what is wrong shows in ConfigLive meanwhile.
            logger.warning("cannot nudge pod", extra={"namespace": namespace, "pod": name, "error": str(error)})
