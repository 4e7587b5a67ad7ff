"""What is done when a model fails: it is asked again, another one is asked, or the answer fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from smarter_crds.runtime_config import ModelChoice
from smarter_runtime.events import FailureKind, ModelFailed

# What may be gone at the next attempt.
_PASSING = frozenset({"rate_limited", "unavailable", "garbage", "cut"})
# What every model of the same provider would say.
_OF_PROVIDER = frozenset({"auth", "key_missing", "quota", "address_refused"})
# What is about the message or the bot, whichever model it is.
_FINAL = frozenset({"content_filter", "no_answer", "budget_spent", "budget_unknown"})
# What has cost no attempt, for no request went out.
_NOT_SENT = frozenset({"key_missing", "address_refused"})


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how fast a model that fails is asked again."""

    max_attempts: int = 3
    """Over all rounds of one answer and all models, the first one included."""
    delay_seconds: float = 0.25
    """Before the second attempt; it doubles."""
    max_delay_seconds: float = 2
    """A provider that asks for a longer pause is not asked again: the visitor's client can wait better than we can."""


@dataclass(frozen=True)
class Step:
    """What to do next."""

    delay: float
    fallback: int | None = None
    """Which of the fallbacks to ask from now on; None: the same model again."""


class Attempts:
    """Counts the attempts of one answer and says what comes next."""

    def __init__(self, policy: RetryPolicy, fallbacks: Sequence[ModelChoice]) -> None:
        self._policy = policy
        self._fallbacks = fallbacks
        self._next = 0
        self._made = 0

    def after(self, failure: ModelFailed, provider: str) -> Step | None:
        """Return what to do after `failure` of a model of `provider`; None: the answer has failed."""
        self._made += failure.kind not in _NOT_SENT
        left = self._policy.max_attempts - self._made
        if left <= 0 or failure.kind in _FINAL:
            return None
        if failure.kind == "parameter_refused":
            return Step(0)
        fallback = self._fallback(failure.kind, provider)
        delay = self._delay(failure)
        # The last attempts belong to the models that have not failed yet.
        waiting = 0 if fallback is None else len(self._fallbacks) - fallback
        if delay is not None and left > waiting:
            return Step(delay)
        if fallback is None:
            return None
        self._next = fallback + 1
        return Step(0, fallback)

    def _fallback(self, kind: FailureKind, provider: str) -> int | None:
        candidates = enumerate(self._fallbacks[self._next :], self._next)
        return next((at for at, each in candidates if kind not in _OF_PROVIDER or each.provider != provider), None)

    def _delay(self, failure: ModelFailed) -> float | None:
        """Return how long to wait before the same model is asked again, or `None` when it is not to be."""
        if failure.kind not in _PASSING:
            return None
        delay = max(failure.retry_after or 0, self._policy.delay_seconds * 2 ** (self._made - 1))
        return delay if delay <= self._policy.max_delay_seconds else None
