"""Looks at every host from outside, again and again and never in a reconciliation: DNS, and who answers there."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from smarter_operator.cache import Cache, ObjectName
from smarter_operator.findings import Answer, Finding, Settling, Verdict, dialable, is_inside, of_answer, of_dns
from smarter_operator.kinds import INGRESS

HostKey = tuple[str, str, str]
"""Namespace and name of the Chatbot, and the host."""

UNSETTLED_SECONDS = 20.0
"""How soon a host is looked at again whose verdict may be about to change; less where everything is looked at often."""

PLAIN_HTTP: Verdict = "Unknown", "PlainHttp", "The chatbot is served without TLS; only HTTPS is tried from outside."


class HostClient(Protocol):
    """Asks the world about one host."""

    async def resolve(self, host: str) -> tuple[str, ...] | None:
        """Return its addresses; none if it does not exist, None if nobody answered."""

    async def ask(self, host: str, addresses: Sequence[str]) -> Answer:
        """Ask who answers for `host` at one of these addresses, and at no other."""


@dataclass(frozen=True)
class Target:
    """A Chatbot to be looked for at its hosts."""

    uid: str
    hosts: tuple[str, ...]
    https: bool


@dataclass
class HostProber:
    """Probes hosts; `on_change` is told the Chatbot whenever a verdict about one of its hosts changes."""

    cache: Cache
    client: HostClient
    every_seconds: float
    on_change: Callable[[ObjectName], None]
    _targets: dict[ObjectName, Target] = field(default_factory=dict)
    _dns: dict[HostKey, Settling] = field(default_factory=dict)
    _reach: dict[HostKey, Settling] = field(default_factory=dict)

    def want(self, bot: ObjectName, target: Target) -> list[HostKey]:
        """Say at which hosts a Chatbot is to be found. Returns those that were not looked at before."""
        before = self._targets.get(bot)
        if before == target:
            return []
        same_bot = before is not None and (before.uid, before.https) == (target.uid, target.https)
        known = set(before.hosts) & set(target.hosts) if before and same_bot else set[str]()
        self._drop(bot, set(before.hosts if before else ()) - known)
        self._targets[bot] = target
        return [(*bot, host) for host in target.hosts if host not in known]

    def forget(self, bot: ObjectName) -> None:
        target = self._targets.pop(bot, None)
        self._drop(bot, target.hosts if target else ())

    def finding(self, bot: ObjectName, host: str) -> Finding | None:
        """Return what is held of a host; None as long as the results do not suffice."""
        key = (*bot, host)
        dns, reach = (settling[key].settled if key in settling else None for settling in (self._dns, self._reach))
        return Finding(dns, reach) if dns and reach else None

    async def probe(self, key: HostKey) -> float | None:
        """Look at one host once. Returns the seconds until the next time."""
        bot, host = (key[0], key[1]), key[2]
        target = self._targets.get(bot)
        if target is None or host not in target.hosts:
            return None
        found = await self._look(bot, host, target)
        if self._targets.get(bot) != target:
            return 0.1
        dns, reach = self._dns.setdefault(key, Settling()), self._reach.setdefault(key, Settling())
        # Not in one expression: both must see their result.
        changed = [dns.see(found.dns), reach.see(found.reach)]
        if any(changed) and dns.settled and reach.settled:
            self.on_change(bot)
        settled = found.dns[:2] == (dns.settled or ())[:2] and found.reach[:2] == (reach.settled or ())[:2]
        wait = self.every_seconds if settled else min(UNSETTLED_SECONDS, self.every_seconds)
        return wait * random.uniform(0.8, 1.2)

    async def _look(self, bot: ObjectName, host: str, target: Target) -> Finding:
        published = self._published(bot)
        addresses = None if is_inside(host) else await self.client.resolve(host)
        dns = of_dns(host, addresses, published)
        if not target.https:
            return Finding(dns, PLAIN_HTTP)
        if dns[0] != "True" or addresses is None:
            return Finding(dns, dns)
        at = dialable(addresses, published)
        answer = await self.client.ask(host, at)
        return Finding(dns, of_answer(host, target.uid, answer, at_route=set(at) <= set(published)))

    def _published(self, bot: ObjectName) -> tuple[str, ...]:
        """Return the addresses that the controller of the bot's Ingress has put into its status."""
        route = self.cache.get(INGRESS, *bot) or {}
        entries = route.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        return tuple(entry["ip"] for entry in entries if "ip" in entry)

    def _drop(self, bot: ObjectName, hosts: Iterable[str]) -> None:
        for host in hosts:
            self._dns.pop((*bot, host), None)
            self._reach.pop((*bot, host), None)
