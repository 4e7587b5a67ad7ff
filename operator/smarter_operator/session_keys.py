"""The Secret with the key that signs what a bot gives to visitors: created once, never read, anew when a pod misses it.

The operator may not look whether it is there. It creates it without asking, and a conflict means that it is. That it
once was stands in the Chatbot's status; that it has gone is said by the pods, which mount it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from smarter_crds.base import Metadata
from smarter_crds.compile import Problem
from smarter_crds.session_key import SESSION_KEY_BYTES
from smarter_operator import names
from smarter_operator.cache import ObjectName
from smarter_operator.cluster import Cluster, Conflict, Manifest, NotFound, Rejected
from smarter_operator.kinds import SECRET
from smarter_operator.observe import World
from smarter_operator.resources.session_secret import session_secret

AGAIN_SECONDS = 15.0
"""How long pods get to see a Secret that was just made, before it is tried again."""


@dataclass(frozen=True, kw_only=True)
class SessionKeys:
    """Makes the Secrets."""

    cluster: Cluster
    now: Callable[[], datetime]
    _sure: dict[ObjectName, tuple[str, datetime]] = field(default_factory=dict)
    """For which UID of a Chatbot, and when, the Secret was surely there."""

    async def ensure(self, raw: Manifest, world: World) -> tuple[Problem, ...]:
        """Create the Secret of the Chatbot `raw` unless it is there. Returns why that was refused."""
        metadata = Metadata.model_validate(raw["metadata"])
        if not self._is_due(raw, world):
            return ()
        made = session_secret(metadata, secrets.token_bytes(SESSION_KEY_BYTES))
        try:
            await self.cluster.create_object(SECRET, made)
        except Conflict:
            pass
        except (Rejected, NotFound) as error:
            return (Problem("SecretRefused", f"Secret {_name(raw)!r} with the session key was refused: {error}"),)
        self._sure[metadata.namespace, metadata.name] = metadata.uid, self.now()
        return ()

    async def take_back(self, raw: Manifest) -> None:
        """Delete what was made for a Chatbot that turns out to have no right to its name."""
        metadata = raw["metadata"]
        if _in_status(raw):
            return
        if self._sure.pop((metadata["namespace"], metadata["name"]), None):
            await self.cluster.delete(SECRET, metadata["namespace"], _name(raw))

    def recorded(self, raw: Manifest) -> str:
        """Return the name of the Secret, if it is known to have been made."""
        return _name(raw) if _in_status(raw) or self._last(raw) else ""

    def forget(self, bot: ObjectName) -> None:
        self._sure.pop(bot, None)

    def _is_due(self, raw: Manifest, world: World) -> bool:
        if not self.recorded(raw):
            return True
        last = self._last(raw)
        return world.misses_session_key and (last is None or last + timedelta(seconds=AGAIN_SECONDS) <= self.now())

    def _last(self, raw: Manifest) -> datetime | None:
        uid, last = self._sure.get((raw["metadata"]["namespace"], raw["metadata"]["name"]), ("", None))
        return last if uid == raw["metadata"]["uid"] else None


def _in_status(raw: Manifest) -> bool:
    # A status that was restored from a backup may be that of a predecessor, with another UID.
    return bool(raw.get("status", {}).get("sessionSecret") == _name(raw))


def _name(raw: Manifest) -> str:
    return names.session_secret(raw["metadata"]["name"], raw["metadata"]["uid"])
