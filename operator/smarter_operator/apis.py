"""Which APIs of other products the cluster lacks, so that not every Chatbot has to find it out anew."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from smarter_operator.kinds import Kind

ASK_AGAIN_SECONDS = 10.0
"""At least so long apart are two questions for an API that is missing, however many Chatbots want it."""


@dataclass
class MissingApis:
    """Remembers which APIs are there, and when, on the clock of the event loop, each missing one was asked for last."""

    on_arrival: Callable[[], None] = lambda: None
    """Is called when an API that was missing turns out to be there."""

    _asked: dict[str, float] = field(default_factory=dict)
    _there: set[str] = field(default_factory=set)

    def to_ask(self, kinds: Iterable[Kind]) -> frozenset[str]:
        """Return those of `kinds` about which a call is worth it, by name; of the missing ones each to one caller."""
        found = frozenset(kind.name for kind in kinds if self._is_due(kind.name))
        self._asked |= {name: self._now() for name in found & self._asked.keys()}
        return found

    def missing(self, kinds: Iterable[Kind]) -> frozenset[str]:
        """Return those of `kinds` whose API was missing when it was asked for last, by name."""
        return frozenset(kind.name for kind in kinds) & self._asked.keys()

    def is_unknown(self, kind: Kind) -> bool:
        """Tell whether the cluster may lack the API, as far as the last call for it tells."""
        return kind.optional and kind.name not in self._there

    def is_missing(self, kind: Kind) -> None:
        self._there.discard(kind.name)
        self._asked[kind.name] = self._now()

    def is_there(self, kind: Kind) -> None:
        self._there.add(kind.name)
        if self._asked.pop(kind.name, None) is not None:
            self.on_arrival()

    def _is_due(self, name: str) -> bool:
        return self._now() >= self._asked.get(name, float("-inf")) + ASK_AGAIN_SECONDS

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
