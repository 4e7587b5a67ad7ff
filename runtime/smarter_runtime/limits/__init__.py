"""How much may be used: requests, answers at the same time, tokens and money, per bot, client, network and key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from smarter_runtime.errors import ApiError

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Places:
    """Counts answers that are being made."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = 0
        """How many answers were begun so far."""

    @contextmanager
    def one(self, at_most: int) -> Iterator[None]:
        """Hold a place of `at_most`.

        Raises:
            ApiError: when all are taken.
        """
        if self.taken >= at_most:
            message = "This chatbot is making as many answers as it can. Please try again in a moment."
            raise ApiError(503, "overloaded", message, headers={"Retry-After": "1"})
        self.taken += 1
        self.given += 1
        try:
            yield
        finally:
            self.taken -= 1
