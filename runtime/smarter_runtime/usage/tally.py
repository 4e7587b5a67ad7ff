"""Adds up what one answer uses, and makes the record of it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from smarter_crds.runtime_config import BotIdentity
from smarter_crds.usage import ToolUsage, UsageRecord, UsageStatus
from smarter_runtime.conversation import Round
from smarter_runtime.events import FinishReason, Message, Usage
from smarter_runtime.models import CHARACTERS_PER_TOKEN

STATUS_OF: dict[FinishReason, UsageStatus] = {"length": "Length", "content_filter": "Filtered"}
"""How an answer is called that ended so; any other is `Complete`."""


@dataclass(kw_only=True)
class Tally:
    """One answer. Times are counted from when it is made."""

    id: str
    bot: BotIdentity
    key: str
    client: str
    started_at: datetime
    stream: bool
    provider: str
    model: str
    _started: float = field(default_factory=time.perf_counter)
    _first_token_ms: int | None = None
    _rounds: int = 0
    _usage: Usage = field(default_factory=Usage)
    _cost: Decimal | None = Decimal(0)
    _calls: Counter[str] = field(default_factory=Counter)
    _errors: Counter[str] = field(default_factory=Counter)

    def text(self) -> None:
        """Note that a piece of text came; only the first one counts."""
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def round_done(self, finished: Round, cost: Decimal | None) -> None:
        self._rounds += 1
        self.provider, self.model = finished.provider, finished.parameters.model
        self._usage += finished.usage
        self._cost = None if self._cost is None or cost is None else self._cost + cost

    def tool_done(self, name: str, *, is_error: bool) -> None:
        self._calls[name] += 1
        self._errors[name] += is_error

    def record(self, status: UsageStatus, reason: str = "") -> UsageRecord:
        return UsageRecord(
            id=self.id,
            bot=self.bot,
            key=self.key,
            client=self.client,
            started_at=self.started_at,
            duration_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            provider=self.provider,
            model=self.model,
            rounds=self._rounds,
            input_tokens=self._usage.input_tokens,
            output_tokens=self._usage.output_tokens,
            cached_input_tokens=self._usage.cached_tokens,
            usage_source="Estimated" if self._usage.is_estimate else "Provider",
            cost_usd=None if self._cost is None else f"{self._cost:f}",
            tools=tuple(
                ToolUsage(name=name, calls=calls, errors=self._errors[name])
                for name, calls in sorted(self._calls.items())
            ),
            stream=self.stream,
            status=status,
            reason=reason,
        )

    def lost(self, messages: Sequence[Message]) -> UsageRecord:
        """Return what holds if the process ends now: what will be read is known, and nothing is written yet."""
        characters = sum(len(message.text) for message in messages)
        guess = {"input_tokens": -(-characters // CHARACTERS_PER_TOKEN), "usage_source": "Estimated", "cost_usd": None}
        return self.record("Lost").model_copy(update=guess)

    def _elapsed_ms(self) -> int:
        return round(1000 * (time.perf_counter() - self._started))
