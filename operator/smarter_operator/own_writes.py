"""Tells the watch events of our own writes from those of others, also when one comes before the answer to its write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from smarter_operator.cache import Change
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CHATBOT, CHILDREN, HOST_CLAIM, Kind
from smarter_operator.watching import Key, key_of

_KINDS = frozenset({CHATBOT, HOST_CLAIM, *CHILDREN})
"""What only the resource itself is woken by; of all else a change means something to others, whoever made it."""


@dataclass
class _Write:
    """One object while calls that write it are under way."""

    calls: int = 0
    answers: set[str] = field(default_factory=set)
    held: list[Change] = field(default_factory=list)


class OwnWrites:
    """Events that come while their object is being written wait for the answer, which says whose they are.

    Without it such an event looks like the change of somebody else, and each write costs one more run.
    """

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        self._under_way: dict[Key, _Write] = {}

    @contextmanager
    def writing(self, kind: Kind, manifest: Manifest) -> Iterator[Callable[[Manifest], Manifest]]:
        """Note a call that writes `manifest`; hand its answer to what this yields, which returns it."""
        if kind not in _KINDS:
            yield lambda answer: answer
            return
        key = key_of(kind.name, manifest)
        write = self._under_way.setdefault(key, _Write())
        write.calls += 1

        def answered(answer: Manifest) -> Manifest:
            write.answers.add(answer["metadata"]["resourceVersion"])
            return answer

        try:
            yield answered
        finally:
            write.calls -= 1
            if write.calls == 0:
                del self._under_way[key]
                for change in write.held:
                    if change.after is None or change.after["metadata"]["resourceVersion"] not in write.answers:
                        self._on_change(change)

    def holds(self, change: Change) -> bool:
        """Tell whether the change waits for an answer; then it is handed on later, unless it turns out to be ours."""
        if change.after is None:
            return False
        write = self._under_way.get(key_of(change.kind.name, change.after))
        if write is None:
            return False
        write.held.append(change)
        return True
