"""Which tokens an ApiKey has, and what must be done next about them: pure decisions over `status.issued`.

A token is born in three writes: its digest goes into the status, then the Secret that holds it is created, then the
status names that Secret. An entry without `secretName` is a birth that was cut short: nobody may have the token, and it
is not valid. Its Secret is deleted, whether it exists or not, and a new token is made.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from smarter_crds.api_key import ApiKey, ApiKeySpec, IssuedDigest
from smarter_crds.compile import is_issued
from smarter_crds.keys_config import TOKEN_PREFIX
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import owned

TOKEN_BYTES = 32
OVERLAP_SECONDS = 86400
"""How long an old token stays valid after a rotation, unless the key says otherwise."""

MOST_ENTRIES = 8
"""As many as `status.issued` takes; the oldest overlap ends early when it is full."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What must be done about the tokens of one key."""

    kept: tuple[IssuedDigest, ...]
    """Entries that stay, the newest first."""
    doomed: tuple[IssuedDigest, ...]
    """Entries whose Secret must be deleted before they may be forgotten."""
    rotation: int | None
    """Number of the token that must be made; None: there is none to make."""


@dataclass(frozen=True)
class Token:
    """A token that was just made. It is shown to nobody: neither by `repr` nor in a log."""

    text: str

    def __repr__(self) -> str:
        return f"Token({self.sha256[:8]})"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def new_token() -> Token:
    return Token(TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES))


def plan(key: ApiKey, now: datetime, held: str = "") -> Plan:
    """Decide what is due; `held` is the digest of a token whose Secret was surely not created and may still be."""
    entries = [_superseded(each, key.spec, now) for each in key.status.issued]
    is_over = {each.sha256: each.not_after is not None and each.not_after <= now for each in entries}
    wanted = key.spec.generate.rotation if key.spec.generate else None
    born = [each for each in entries if is_issued(each) or (each.sha256 == held and each.rotation == wanted)]
    alive = [each for each in born if not is_over[each.sha256]]
    current = [each for each in alive if each.not_after is None and each.rotation >= (wanted or 0)]
    room = MOST_ENTRIES - (wanted is not None and not current)
    kept = alive[:room]
    return Plan(
        kept=tuple(kept),
        doomed=tuple(each for each in entries if each not in kept),
        rotation=None if any(map(is_issued, current)) else wanted,
    )


def with_pending(entries: Sequence[IssuedDigest], token: Token, rotation: int) -> tuple[IssuedDigest, ...]:
    """Return the entries with the digest of a token that is about to be made."""
    others = [each for each in entries if each.sha256 != token.sha256]
    return (IssuedDigest(sha256=token.sha256, rotation=rotation), *others)


def with_secret(key: ApiKey, entries: Sequence[IssuedDigest], token: Token, now: datetime) -> tuple[IssuedDigest, ...]:
    """Return the entries once the Secret of `token` is there: it is the one, and the others run out."""
    name = secret_name(key.metadata.name, token.sha256)
    end = _end(key.spec, now)
    return tuple(
        each.model_copy(update={"secret_name": name}) if each.sha256 == token.sha256 else _ending(each, end)
        for each in entries
    )


def next_end(key: ApiKey, entries: Sequence[IssuedDigest], now: datetime) -> datetime | None:
    """Return the next moment at which there is something to do: a token or the whole key ends, or a token has ended."""
    ends = [each.not_after for each in key.spec.digests] + [key.spec.expires_at]
    ahead = [end for end in ends if end is not None and end > now]
    ahead += [each.not_after for each in entries if each.not_after is not None]
    return min(ahead, default=None)


def secret_name(key: str, sha256: str) -> str:
    return f"{key}-{sha256[:8]}"


def token_secret(key: ApiKey, token: Token) -> Manifest:
    """Build the Secret that hands the token over; it goes with the ApiKey."""
    metadata = owned("ApiKey", key.metadata, secret_name(key.metadata.name, token.sha256), names.key_labels())
    data = {"token": base64.b64encode(token.text.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _superseded(entry: IssuedDigest, spec: ApiKeySpec, now: datetime) -> IssuedDigest:
    """Shorten an overlap that the spec has shortened since; a key that makes no tokens any more has only old ones."""
    is_old = entry.not_after is not None or (spec.generate is None and is_issued(entry))
    return _ending(entry, _end(spec, now)) if is_old else entry


def _ending(entry: IssuedDigest, end: datetime) -> IssuedDigest:
    return entry.model_copy(update={"not_after": min(entry.not_after or end, end)})


def _end(spec: ApiKeySpec, now: datetime) -> datetime:
    seconds = OVERLAP_SECONDS if spec.overlap_seconds is None else spec.overlap_seconds
    # The API server keeps whole seconds.
    return (now + timedelta(seconds=seconds)).replace(microsecond=0)
