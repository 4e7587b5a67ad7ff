"""The steps by which a Chatbot becomes what it asks for: observe → compile → check → claim → apply → prune → report."""

import contextlib
import random
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ParamSpec, TypeVar

from smarter_crds.base import Metadata
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled, Problem
from smarter_operator import apply, checks, compiling, mounts, resources
from smarter_operator.apis import MissingApis
from smarter_operator.aside import Aside
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.claims import HostClaims
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.findings import Finding
from smarter_operator.hosts import Standing, narrowed, route_hosts
from smarter_operator.kinds import CHATBOT, CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, INGRESS, POD_MONITOR
from smarter_operator.names import config_map, keys_config_map
from smarter_operator.observe import NAME_TAKEN, World, observe
from smarter_operator.outcome import Outcome
from smarter_operator.pods import PodProber, PodReports, Wanted
from smarter_operator.probes import HostKey, HostProber, Target
from smarter_operator.reporting import Reporter
from smarter_operator.resources.config_map import good_config
from smarter_operator.resources.keys_config_map import fitting
from smarter_operator.rollouts import Rollouts, is_others
from smarter_operator.session_keys import SessionKeys
from smarter_operator.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

LOOK_AGAIN_SECONDS = 15.0
"""How soon a Chatbot is tried again whose obstacle sends us no event: a foreign object, a quota, a missing API."""


@dataclass(frozen=True, kw_only=True)
class ChatbotReconciler:
    """Brings Chatbots about; all that it touches is handed in."""

    cluster: Cluster
    cache: Cache
    claims: HostClaims
    reports: PodReports
    prober: PodProber
    reporter: Reporter
    settings: Settings
    ask_pods: Callable[[Iterable[ObjectName]], None]
    hosts: HostProber | None
    """None where hosts are not probed."""
    probe_hosts: Callable[[Iterable[HostKey]], None]
    now: Callable[[], datetime]
    rollouts: Rollouts
    session_keys: SessionKeys
    apis: MissingApis = field(default_factory=MissingApis)
    aside: Aside = field(default_factory=Aside)

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what the Chatbot asks for and report how far that went; repeating it is harmless."""
        bot = (namespace, name)
        raw = self.cache.get(CHATBOT, *bot)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.rollouts.settle(bot, waits=False)
            self.prober.forget(bot)
            self.reporter.forget(bot)
            self.claims.forget(bot)
            self.session_keys.forget(bot)
            if self.hosts:
                self.hosts.forget(bot)
            return await self.claims.release(bot, self._routed(bot))
        async with self.aside.place if compiling.is_large(raw) else contextlib.nullcontext():
            return await self._reconcile(bot, raw)

    async def _reconcile(self, bot: ObjectName, raw: Manifest) -> float | None:
        outcome = await self._in_turn(raw)
        wanted = Wanted(config_hash=outcome.config_hash, keys_hash=outcome.keys_hash)
        self.ask_pods(self.prober.want(bot, wanted))
        if self.hosts:
            self.probe_hosts(self.hosts.want(bot, _target(raw, outcome)))
        released_seconds = await self._release(bot, outcome)
        held_seconds = await self.reporter.report(raw, outcome, self.now())
        again = held_seconds or _look_again_seconds(outcome, self.settings.resync_seconds)
        return min((seconds for seconds in (again, released_seconds) if seconds is not None), default=None)

    async def _in_turn(self, raw: Manifest) -> Outcome:
        """Converge, and keep the count of rollouts right whatever happens."""
        namespace, name = bot = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        waits = False
        try:
            outcome = await self._converge(raw)
            waits = outcome.waits
            return outcome
        finally:
            self.rollouts.observe(bot, self.cache.get(DEPLOYMENT, namespace, name))
            self.rollouts.settle(bot, waits=waits)

    async def _converge(self, raw: Manifest) -> Outcome:
        uid = raw["metadata"]["uid"]
        known, chatbot, asked = await self._beside(raw, compiling.compiled, raw, self.cache, self.settings)
        world = observe(raw, self.cache, self.reports, known)
        hosts = self.claims.standings(raw, asked.hosts)
        compiled = narrowed(asked, _with("Held", hosts) + _with("Free", hosts))
        desired = await self._beside(raw, self._desired, chatbot, compiled, world)
        possible = apply.possible(desired, world, self.apis)
        keys, kept_out = _keys(raw, world)
        # Whatever is wrong with the rest: a key that was taken back must not work on.
        done = await apply.apply_children(keys, world, self.cluster, self.cache, self.apis)
        strangers = await apply.strangers(possible, uid, world, self.cluster, self.apis)
        facts = checks.Facts(compiled=compiled, strangers=(*done.strangers, *strangers))
        problems, waits = checks.problems(facts), False
        refused: tuple[Problem, ...] = (*kept_out, *done.refused)
        if not problems:
            hosts = await self.claims.claim(raw, hosts)
            if _with("Held", hosts) != compiled.hosts:
                compiled = narrowed(asked, _with("Held", hosts))
                desired = await self._beside(raw, self._desired, chatbot, compiled, world)
                possible = apply.possible(desired, world, self.apis)
            waits = any(self._waits(child, world, raw) for child in possible)
            refused += await apply.prune_autoscaler(desired, world, self.cluster)
            not_now = mounts.held_back(compiled, world) | ({DEPLOYMENT.name} if waits else set())
            applied = await self._apply(raw, possible, world, not_now)
            problems = checks.problems(replace(facts, strangers=applied.strangers))
            refused += applied.refused
        if not problems:
            refused += await apply.prune([*desired, *keys], world, self.cluster, self.cache)
        world = observe(raw, self.cache, self.reports, known)
        return Outcome(
            compiled=compiled,
            world=world,
            hosts=hosts,
            findings=self._findings(raw, compiled),
            problems=problems,
            refused=refused,
            missing=apply.missing(desired, world, self.apis),
            mounting=not problems and bool(mounts.held_back(compiled, world)),
            waits=waits,
            session_secret=self.session_keys.recorded(raw),
            config_hash=_hash_in(config_map(raw["metadata"]["name"]), world),
            keys_hash=_hash_in(keys_config_map(raw["metadata"]["name"]), world),
        )

    async def _beside(self, raw: Manifest, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that takes the longer the more `raw` refers to."""
        if compiling.is_large(raw):
            return await self.aside.run(function, *args, **kwargs)
        return function(*args, **kwargs)

    async def _apply(self, raw: Manifest, children: list[Manifest], world: World, not_now: Set[str]) -> apply.Applied:
        # Looking for strangers has found out which APIs are missing.
        not_now = apply.missing(children, world, self.apis) | not_now
        refused: tuple[Problem, ...] = ()
        if any(child["kind"] == DEPLOYMENT.name for child in children):
            refused = await self.session_keys.ensure(raw, world)
        wanted = [child for child in children if child["kind"] not in not_now]
        applied = await apply.apply_children(wanted, world, self.cluster, self.cache, self.apis)
        if applied.strangers:
            await self.session_keys.take_back(raw)
        return replace(applied, refused=(*refused, *applied.refused))

    def _waits(self, child: Manifest, world: World, raw: Manifest) -> bool:
        """Tell whether the child is a Deployment whose pods may not be replaced yet."""
        metadata = child["metadata"]
        live = world.child(DEPLOYMENT, metadata["name"]) if child["kind"] == DEPLOYMENT.name else None
        if live is None or not is_others(child, live, raw):
            return False
        return not self.rollouts.may_start((metadata["namespace"], metadata["name"]))

    def _desired(self, chatbot: Chatbot | None, compiled: Compiled, world: World) -> list[Manifest]:
        if chatbot is None or compiled.config is None:
            return []
        live = world.child(CONFIG_MAP, config_map(chatbot.metadata.name))
        confirmed = frozenset(report.config_hash for report in world.reports.values())
        good = good_config(live, compiled.document, confirmed)
        return resources.desired(chatbot, compiled, good, self.settings, mounts.lingering(compiled, world))

    def _findings(self, raw: Manifest, compiled: Compiled) -> dict[str, Finding | None] | None:
        if self.hosts is None:
            return None
        bot = (raw["metadata"]["namespace"], raw["metadata"]["name"])
        return {host: self.hosts.finding(bot, host) for host in _probed(compiled)}

    async def _release(self, bot: ObjectName, outcome: Outcome) -> float | None:
        if any(problem.reason == "Invalid" for problem in outcome.problems):
            # What it asks for is not known.
            return None
        asked = {standing.host for standing in outcome.hosts if standing.claim != "Forbidden"}
        return await self.claims.release(bot, asked | self._routed(bot))

    def _routed(self, bot: ObjectName) -> set[str]:
        """Return the hosts that still lead to a Chatbot, whatever its spec says."""
        routes = (route for kind in (INGRESS, HTTP_ROUTE) for route in self.cache.children(kind, *bot).values())
        return {host for route in routes for host in route_hosts(route)}


def _probed(compiled: Compiled) -> tuple[str, ...]:
    return () if compiled.settled.state == "Offline" else compiled.hosts


def _target(raw: Manifest, outcome: Outcome) -> Target:
    compiled = outcome.compiled
    return Target(raw["metadata"]["uid"], _probed(compiled), https=compiled.url.startswith("https:"))


def _with(claim: str, hosts: tuple[Standing, ...]) -> tuple[str, ...]:
    return tuple(standing.host for standing in hosts if standing.claim == claim)


def _look_again_seconds(outcome: Outcome, patient_seconds: float) -> float | None:
    name_taken = any(problem.reason == NAME_TAKEN for problem in outcome.problems)
    missed = outcome.world.misses_session_key
    unclaimed = any(standing.claim == "Refused" for standing in outcome.hosts)
    if name_taken or missed or unclaimed or outcome.refused or outcome.missing - {POD_MONITOR.name}:
        return LOOK_AGAIN_SECONDS
    if outcome.waits:
        return patient_seconds
    # Most clusters lack this one for good, and a bot does without; spread, for all bots wait for it.
    return patient_seconds * random.uniform(0.5, 1.5) if outcome.missing else None


def _hash_in(name: str, world: World) -> str:
    """Return the hash that stands in one of our ConfigMaps: of the newest content, or the last good one."""
    live = world.child(CONFIG_MAP, name)
    return str(live.get("data", {}).get("hash", "")) if live else ""


def _keys(raw: Manifest, world: World) -> tuple[list[Manifest], list[Problem]]:
    """Return the ConfigMap with the bot's keys, if it needs one, and what does not fit into it."""
    name = raw["metadata"]["name"]
    if not world.keys and world.child(CONFIG_MAP, keys_config_map(name)) is None:
        return [], []
    kept = fitting(world.keys)
    made = resources.keys_config_map(Metadata.model_validate(raw["metadata"]), kept)
    if len(kept) == len(world.keys):
        return [made], []
    first = world.keys[len(kept)].name
    text = (
        f"{len(world.keys)} ApiKeys open this Chatbot, more than its ConfigMap holds; those from {first!r} on do not "
        "work: delete some, or list fewer Chatbots in their `spec.scope`."
    )
    return [made], [Problem("TooManyKeys", text)]
