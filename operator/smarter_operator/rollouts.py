"""How many bots change their pods at a time when one thing changes them all: a new image, or the Secret of a Provider.

Who is rolling out is read off the Deployments, so that neither a restart nor another leader forgets it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.secret_volume import Mount, mounts_of

BotName = tuple[str, str]
"""Namespace and name of a Chatbot, and of its Deployment."""


def is_others(desired: Manifest, live: Manifest, chatbot: Manifest) -> bool:
    """Tell whether applying `desired` may replace pods for a reason that is not the bot's own.

    Its own are an edit of its spec, and the repair of what somebody changed by hand; not its own are what the platform
    changes, and an edit of a Provider, a connection, a Store or a Plugin, which many bots may use.
    """
    wanted, found = (manifest["metadata"].get("annotations", {}) for manifest in (desired, live))
    if found.get(names.TEMPLATE_ANNOTATION) == wanted[names.TEMPLATE_ANNOTATION]:
        return False
    # A Deployment of an operator that did not write these annotations counts as changed by the platform.
    if found.get(names.ASKED_ANNOTATION, wanted[names.ASKED_ANNOTATION]) != wanted[names.ASKED_ANNOTATION]:
        return False
    return not (_is_edited(chatbot) and _mounts(desired) != _mounts(live))


def _is_edited(chatbot: Manifest) -> bool:
    """Tell whether the newest edit of the Chatbot has not led to a status yet."""
    return bool(chatbot.get("status", {}).get("observedGeneration", 0) < chatbot["metadata"]["generation"])


def _mounts(deployment: Manifest) -> frozenset[Mount]:
    return mounts_of(deployment["spec"]["template"].get("spec") or {})


def is_rolling_out(deployment: Manifest) -> bool:
    """Tell whether pods are being replaced, or will be at once; a rollout that failed or was paused is over."""
    spec, status = deployment["spec"], deployment.get("status", {})
    if spec.get("paused"):
        return False
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return True
    if any(c["type"] == "Progressing" and c["status"] == "False" for c in status.get("conditions", [])):
        return False
    updated = status.get("updatedReplicas", 0)
    return bool(updated < spec.get("replicas", 1) or status.get("replicas", 0) > updated)


@dataclass
class Rollouts:
    """Gives out `most` slots; `wake` is told the bots that waited and may try again."""

    most: int
    wake: Callable[[BotName], None]
    _running: set[BotName] = field(default_factory=set)
    _reserved: set[BotName] = field(default_factory=set)
    """Those that were woken or are starting, and do not show it yet."""
    _waiting: dict[BotName, None] = field(default_factory=dict)

    def observe(self, bot: BotName, deployment: Manifest | None) -> None:
        """Take in the newest Deployment of a bot; None: it has none any more."""
        if deployment is not None and is_rolling_out(deployment):
            self._running.add(bot)
        else:
            self._running.discard(bot)
        self._wake_next()

    def may_start(self, bot: BotName) -> bool:
        """Take a slot until `settle`, or a place in the line."""
        if bot in self._running or bot in self._reserved or self._free() > 0:
            self._waiting.pop(bot, None)
            self._reserved.add(bot)
            return True
        self._waiting.setdefault(bot)
        return False

    def settle(self, bot: BotName, *, waits: bool) -> None:
        """Give back what the bot did not use; from now on its Deployment shows whether it holds a slot."""
        self._reserved.discard(bot)
        if not waits:
            self._waiting.pop(bot, None)
        self._wake_next()

    def _free(self) -> int:
        return self.most - len(self._running | self._reserved)

    def _wake_next(self) -> None:
        while self._waiting and self._free() > 0:
            bot = next(iter(self._waiting))
            del self._waiting[bot]
            self._reserved.add(bot)
            self.wake(bot)
