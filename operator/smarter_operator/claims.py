"""HostClaims: made before a host is used, regained by the same Chatbot, and released long after the last use."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, Conflict, Manifest, Rejected
from smarter_operator.hosts import Standing, objection
from smarter_operator.kinds import HOST_CLAIM, NAMESPACE
from smarter_operator.settings import Settings

NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass
class HostClaims:
    """Keeps the claims of all Chatbots; each only in the turn of the Chatbot that holds it."""

    cluster: Cluster
    cache: Cache
    settings: Settings
    now: Callable[[], datetime]
    _waiting: dict[str, set[ObjectName]] = field(default_factory=lambda: defaultdict(set))

    def standings(self, raw: Manifest, hosts: Iterable[str]) -> tuple[Standing, ...]:
        """Tell, by what is known already, how the Chatbot `raw` stands with each of `hosts`."""
        namespace = raw["metadata"]["namespace"]
        known = self.cache.get(NAMESPACE, "", namespace)
        labels = {NAME_LABEL: namespace} | (known["metadata"].get("labels", {}) if known else {})
        return tuple(self._standing(host, raw, objection(host, raw, labels, self.settings)) for host in hosts)

    async def claim(self, raw: Manifest, standings: Sequence[Standing]) -> tuple[Standing, ...]:
        """Claim the free ones. Of several Chatbots that want a host, the API server lets one through.

        Raises:
            Conflict: when a claim changed meanwhile; trying again with fresh facts helps.
        """
        free = [standing.host for standing in standings if standing.claim == "Free"]
        if not free:
            return tuple(standings)
        refused = dict(zip(free, await asyncio.gather(*(self._claim(host, raw) for host in free)), strict=True))
        now = self.standings(raw, (standing.host for standing in standings))
        return tuple(_with_refusal(standing, refused.get(standing.host, "")) for standing in now)

    async def release(self, bot: ObjectName, in_use: Container[str]) -> float | None:
        """Note of the Chatbot's other claims that their use has ended, and delete those for which it is long ago.

        Returns:
            The seconds until the next one is to be deleted.
        """
        unused = [claim for host, claim in self.cache.children(HOST_CLAIM, *bot).items() if host not in in_use]
        waits = await asyncio.gather(*(self._release(claim) for claim in unused))
        return min((wait for wait in waits if wait is not None), default=None)

    def waiting(self, host: str) -> frozenset[ObjectName]:
        """Return the Chatbots that asked for `host` when somebody else held it."""
        return frozenset(self._waiting.get(host, ()))

    def forget(self, bot: ObjectName) -> None:
        """Stop waiting on behalf of a Chatbot."""
        for host in [host for host, bots in self._waiting.items() if bot in bots]:
            self._waiting[host].discard(bot)
            if not self._waiting[host]:
                del self._waiting[host]

    def _standing(self, host: str, raw: Manifest, objection: str) -> Standing:
        if objection:
            return Standing(host, "Forbidden", objection)
        claim = self.cache.get(HOST_CLAIM, "", host)
        if claim is None:
            return Standing(host, "Free")
        if claim["spec"] == {"holder": holder(raw)}:
            return Standing(host, "Held")
        if _is_held_by(claim, raw):
            return Standing(host, "Free")
        self._waiting[host].add(_name(raw))
        return Standing(host, "Taken", self._whose(host, claim["spec"]["holder"]))

    def _whose(self, host: str, found: Manifest) -> str:
        hours = self.settings.host_release_seconds / 3600
        return (
            f"Host {host!r} is held by Chatbot {found['namespace'] + '/' + found['name']!r}; use another, or remove it "
            f"there: it is free {hours:g} hours after its last use, or when HostClaim {host!r} is deleted."
        )

    async def _claim(self, host: str, raw: Manifest) -> str:
        """Claim a host, unless somebody else has it by now. Returns why the API server refuses it, if it does."""
        try:
            await self._write_claim(host, raw)
        except Rejected as error:
            return f"The HostClaim of host {host!r} was refused: {error}"
        return ""

    async def _write_claim(self, host: str, raw: Manifest) -> None:
        known = self.cache.get(HOST_CLAIM, "", host)
        if known is not None:
            # It may have become somebody else's since it was found free.
            if _is_held_by(known, raw):
                await self._put(known, {"holder": holder(raw)})
            return
        try:
            made: Manifest | None = await self.cluster.create_object(HOST_CLAIM, host_claim(host, raw))
        except Conflict:
            made = await self.cluster.read(HOST_CLAIM, "", host)
            if made is None:
                raise
        assert made is not None
        self.cache.put(HOST_CLAIM, made)

    async def _release(self, claim: Manifest) -> float | None:
        metadata, last_used = claim["metadata"], claim["spec"].get("lastUsedTime")
        if last_used is None:
            stamp = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            await self._put(claim, {**claim["spec"], "lastUsedTime": stamp})
            return self.settings.host_release_seconds
        free_at = datetime.fromisoformat(last_used) + timedelta(seconds=self.settings.host_release_seconds)
        wait = (free_at - self.now()).total_seconds()
        if wait > 0:
            return wait
        # The version too: a Chatbot may regain it at this very moment.
        await self.cluster.delete(HOST_CLAIM, "", metadata["name"], metadata["uid"], metadata["resourceVersion"])
        return None

    async def _put(self, claim: Manifest, spec: dict[str, Any]) -> None:
        metadata = {key: value for key, value in claim["metadata"].items() if key != "managedFields"}
        changed = {"apiVersion": HOST_CLAIM.api_version, "kind": HOST_CLAIM.name, "metadata": metadata, "spec": spec}
        self.cache.put(HOST_CLAIM, await self.cluster.replace(HOST_CLAIM, changed))


def host_claim(host: str, raw: Manifest) -> Manifest:
    """Return the claim by which the Chatbot `raw` holds `host`."""
    return {
        "apiVersion": HOST_CLAIM.api_version,
        "kind": HOST_CLAIM.name,
        "metadata": {"name": host},
        "spec": {"holder": holder(raw)},
    }


def holder(raw: Manifest) -> dict[str, str]:
    return {key: raw["metadata"][key] for key in ("namespace", "name", "uid")}


def _with_refusal(standing: Standing, why: str) -> Standing:
    return Standing(standing.host, "Refused", why) if why and standing.claim == "Free" else standing


def _is_held_by(claim: Manifest, raw: Manifest) -> bool:
    """Tell whether the claim is that of the Chatbot, or of one of the same name before it."""
    found = claim["spec"]["holder"]
    return (found["namespace"], found["name"]) == _name(raw)


def _name(raw: Manifest) -> ObjectName:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]
