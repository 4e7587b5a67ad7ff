"""Bounds that hold over all answers of this process: tokens per day, answers at the same time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta

from smarter_runtime.errors import NO_RETRY, ApiError

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class DailyTokens:
    """Counts the tokens of the bot's answers per UTC day, in memory: a new process begins at nothing."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._day = date.min
        self._used = 0

    @property
    def used(self) -> int:
        self._turn_page()
        return self._used

    def charge(self, tokens: int) -> None:
        self._turn_page()
        self._used += tokens

    def check(self, limit: int | None) -> None:
        """Refuse when the day's tokens are used up.

        Raises:
            ApiError: with the time until midnight UTC; asking earlier is useless, and clients are told so.
        """
        if limit is None or self.used < limit:
            return
        message = f"This chatbot has used its {limit} tokens of today. It answers again after midnight UTC."
        headers = {**NO_RETRY, "Retry-After": str(self._seconds_to_midnight())}
        raise ApiError(429, "insufficient_quota", message, kind="insufficient_quota", headers=headers)

    def _turn_page(self) -> None:
        today = self._clock().astimezone(UTC).date()
        if today != self._day:
            self._day, self._used = today, 0

    def _seconds_to_midnight(self) -> int:
        now = self._clock().astimezone(UTC)
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        return int((midnight - now).total_seconds()) + 1


class Places:
    """Counts answers that are being made."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self.taken = 0
        self.given = 0
        """How many answers were begun so far."""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            ApiError: when all are taken.
        """
        if self.taken >= self._at_most:
            message = "This chatbot is making as many answers as it can. Please try again in a moment."
            raise ApiError(503, "overloaded", message, headers={"Retry-After": "1"})
        self.taken += 1
        self.given += 1
        try:
            yield
        finally:
            self.taken -= 1
