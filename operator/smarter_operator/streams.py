"""What the API server sends: when each watch stream last brought something, and whether the server answers at all."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from smarter_operator.kinds import BY_NAME

OUTAGE_SECONDS = 5.0
"""A shorter silence of the API server is no outage, so that single failures end nobody's patience."""

ABANDONED_SECONDS = 120.0
"""When nobody has asked for a stream of an optional kind for so long, its API is gone and nobody watches it."""

Stream = tuple[str, str]
"""Name of the kind, and namespace; an empty namespace means all."""


@dataclass
class _State:
    heard_at: float
    asked_at: float
    asking: int = 0


@dataclass
class Streams:
    """Is told by the sessions what they do, and asked by probes and metrics; on the clock of the event loop."""

    on_recovery: Callable[[], None] = lambda: None
    """Is called when the API server answers again after an outage."""

    _states: dict[Stream, _State] = field(default_factory=dict)
    _answering_since: float | None = None
    _silent_since: float | None = None

    @contextmanager
    def asking(self, stream: Stream) -> Iterator[None]:
        """Note that somebody waits for the stream while the context lasts."""
        state = self._states.setdefault(stream, _State(heard_at=_now(), asked_at=_now()))
        state.asking += 1
        try:
            yield
        finally:
            state.asking, state.asked_at = state.asking - 1, _now()

    def heard(self, stream: Stream) -> None:
        """Note an event, a bookmark or a list."""
        self._states[stream].heard_at = _now()

    def answered(self) -> None:
        """Note that the API server answered some request."""
        silent_since, self._silent_since = self._silent_since, None
        if self._answering_since is None:
            self._answering_since = _now()
        if silent_since is not None and _now() - silent_since > OUTAGE_SECONDS:
            self.on_recovery()

    def unanswered(self) -> None:
        """Note that the API server did not answer a request, or had nobody to answer it."""
        self._answering_since = None
        if self._silent_since is None:
            self._silent_since = _now()

    def staleness(self) -> dict[str, float]:
        """Return for each kind how long its stalest stream has brought nothing."""
        return self._stalest(float("-inf"))

    def neglect(self) -> dict[str, float]:
        """Return for each kind how long its stalest stream has brought nothing while the API server answered others."""
        return {} if self._answering_since is None else self._stalest(self._answering_since)

    def _stalest(self, earliest: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for (kind_name, _), state in self._states.items():
            if not self._is_abandoned(kind_name, state):
                found[kind_name] = max(found.get(kind_name, 0), _now() - max(state.heard_at, earliest))
        return found

    def _is_abandoned(self, kind_name: str, state: _State) -> bool:
        return BY_NAME[kind_name].optional and not state.asking and _now() > state.asked_at + ABANDONED_SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()
