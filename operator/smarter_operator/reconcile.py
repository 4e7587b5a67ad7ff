"""The steps by which one Chatbot becomes what it asks for: observe → compile → check → apply → prune → report."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from smarter_crds.chatbot import Chatbot
from smarter_crds.chatbot_status import ChatbotDefaults
from smarter_crds.compile import Compiled, Problem, Settled, compile_chatbot, parse
from smarter_crds.workload import Resources
from smarter_operator import apply, checks, resources
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, Manifest
from smarter_operator.kinds import CHATBOT, CONFIG_MAP, POD_MONITOR
from smarter_operator.names import config_map
from smarter_operator.observe import World, observe
from smarter_operator.outcome import Outcome
from smarter_operator.pods import PodProber, PodReports
from smarter_operator.reporting import Reporter
from smarter_operator.resources.config_map import good_config
from smarter_operator.settings import Settings

LOOK_AGAIN_SECONDS = 15.0
"""How soon a Chatbot is tried again whose obstacle sends us no event: a foreign object, a quota, a missing API."""


@dataclass(frozen=True, kw_only=True)
class ChatbotReconciler:
    """Brings Chatbots about; all that it touches is handed in."""

    cluster: Cluster
    cache: Cache
    reports: PodReports
    prober: PodProber
    reporter: Reporter
    settings: Settings
    ask_pods: Callable[[Iterable[ObjectName]], None]
    now: Callable[[], datetime]
    apis: MissingApis = field(default_factory=MissingApis)

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Do what the Chatbot asks for and report how far that went; repeating it is harmless."""
        raw = self.cache.get(CHATBOT, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.prober.forget((namespace, name))
            self.reporter.forget((namespace, name))
            return None
        outcome = await self._converge(raw)
        self.ask_pods(self.prober.want((namespace, name), outcome.config_hash))
        held_seconds = await self.reporter.report(raw, outcome, self.now())
        return held_seconds or _look_again_seconds(outcome, self.settings.resync_seconds)

    async def _converge(self, raw: Manifest) -> Outcome:
        uid = raw["metadata"]["uid"]
        world = observe(raw, self.cache, self.reports)
        chatbot, compiled = _compile(raw, world, self.settings)
        desired = self._desired(chatbot, compiled, world) if chatbot and compiled.config else []
        possible = apply.possible(desired, world, self.apis)
        strangers = await apply.strangers(possible, uid, world, self.cluster, self.apis)
        facts = checks.Facts(compiled=compiled, strangers=strangers)
        problems, refused = checks.problems(facts), []
        if not problems:
            # Looking for strangers has found out which APIs are missing.
            missing = apply.missing(possible, world, self.apis)
            possible = [child for child in possible if child["kind"] not in missing]
            await apply.prune_autoscaler(desired, world, self.cluster)
            refused = await apply.apply_children(possible, world, self.cluster, self.cache, self.apis)
            await apply.prune(desired, world, self.cluster, self.cache)
        world = observe(raw, self.cache, self.reports)
        return Outcome(
            compiled=compiled,
            world=world,
            problems=problems,
            refused=tuple(refused),
            missing=apply.missing(desired, world, self.apis),
            config_hash=_served_hash(raw["metadata"]["name"], world),
        )

    def _desired(self, chatbot: Chatbot, compiled: Compiled, world: World) -> list[Manifest]:
        live = world.child(CONFIG_MAP, config_map(chatbot.metadata.name))
        confirmed = frozenset(report.config_hash for report in world.reports.values())
        good = good_config(live, compiled.document, confirmed)
        return resources.desired(chatbot, compiled, good, self.settings)


def _compile(raw: Manifest, world: World, settings: Settings) -> tuple[Chatbot | None, Compiled]:
    chatbot = parse(Chatbot, raw)
    if isinstance(chatbot, Problem):
        return None, _unreadable(chatbot)
    return chatbot, compile_chatbot(chatbot, world.references, settings.platform)


def _unreadable(problem: Problem) -> Compiled:
    """Return what can be said of an object that is no valid Chatbot: nothing is known, and nothing is changed."""
    settled = Settled(
        state="Active",
        replicas=0,
        resources=Resources(),
        exposure_type="None",
        hosts=(),
        url="",
        class_name="",
        tls_mode="Disabled",
        issuer_ref=None,
        gateway_ref=None,
    )
    return Compiled(
        config=None,
        document=b"",
        hash="",
        problems=(problem,),
        plugin_problems=(),
        warnings=(),
        settled=settled,
        defaults=ChatbotDefaults(),
        model="",
        plugins=(),
        secrets=(),
    )


def _look_again_seconds(outcome: Outcome, patient_seconds: float) -> float | None:
    name_taken = any(problem.reason == "NameTaken" for problem in outcome.problems)
    if name_taken or outcome.refused or outcome.missing - {POD_MONITOR.name}:
        return LOOK_AGAIN_SECONDS
    # Most clusters lack this one for good, and a bot does without; spread, for all bots wait for it.
    return patient_seconds * random.uniform(0.5, 1.5) if outcome.missing else None


def _served_hash(bot: str, world: World) -> str:
    """Return the hash of the config in the ConfigMap: the newest, or the last good one of a refused Chatbot."""
    live = world.child(CONFIG_MAP, config_map(bot))
    return str(live.get("data", {}).get("hash", "")) if live else ""
