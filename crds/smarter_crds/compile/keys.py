"""ApiKeys: what is wrong with one, which Chatbots it opens, and how it appears in their pods."""

from datetime import datetime

from smarter_crds.api_key import ApiKey, IssuedDigest
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.support import API_KEY, unsupported
from smarter_crds.keys_config import KeyConfig, KeyDigest

MAX_NAME_CHARACTERS = 244
"""Of a key whose token the operator makes: its Secret's name is nine longer, and 253 are allowed."""


def check_api_key(key: ApiKey) -> tuple[Problem, ...]:
    """Return why `key` cannot be used; such a key opens nothing."""
    problems = unsupported(key.spec, API_KEY)
    if key.spec.generate and len(key.metadata.name) > MAX_NAME_CHARACTERS:
        text = (
            f"The name of an ApiKey with `spec.generate` may have {MAX_NAME_CHARACTERS} characters, for its Secret "
            "bears it; make it anew with a shorter name."
        )
        problems += (Problem("NameTooLong", text),)
    return problems


def is_issued(entry: IssuedDigest) -> bool:
    """Tell whether the Secret with the token is there; before that, the token counts for nothing."""
    return entry.secret_name is not None


def key_config(key: ApiKey) -> KeyConfig | None:
    """Return what the pods must know of `key`; None while no token belongs to it, or if it is not acceptable."""
    if check_api_key(key):
        return None
    digests = [KeyDigest(sha256=each.sha256, not_after=each.not_after) for each in key.spec.digests]
    digests += [
        KeyDigest(sha256=each.sha256, not_after=each.not_after) for each in key.status.issued if is_issued(each)
    ]
    if not digests:
        return None
    return KeyConfig(
        name=key.metadata.name,
        uid=key.metadata.uid,
        display_name=key.spec.display_name or key.metadata.name,
        digests=tuple(sorted(digests, key=lambda digest: digest.sha256)),
        expires_at=key.spec.expires_at,
        disabled=bool(key.spec.disabled),
        limits=key.spec.limits,
        budget=key.spec.budget,
    )


def expires(key: ApiKey) -> datetime | None:
    """Return when the last token of `key` ends; None: never."""
    ends = [each.not_after for each in key.spec.digests]
    ends += [each.not_after for each in key.status.issued if is_issued(each)]
    dated = [end for end in ends if end is not None]
    last = max(dated) if dated and len(dated) == len(ends) else None
    return min((end for end in (last, key.spec.expires_at) if end is not None), default=None)
