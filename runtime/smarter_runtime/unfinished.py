"""Turns that wait for a client: what our own tools found is kept here until the client's results come."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from smarter_runtime.call_ids import CallId, CallIds, new_turn
from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.events import HandOver, Message, ToolCall
from smarter_runtime.plan import Begun

WAIT = timedelta(minutes=10)
MAX_TURNS = 10_000
MAX_CHARACTERS = 16 * 1024 * 1024
"""Of all turns together; the oldest go first."""


@dataclass(frozen=True)
class Resumed:
    """What is asked now: the messages with what was kept put in place, and what of the turn has happened before."""

    messages: tuple[Message, ...]
    begun: Begun


@dataclass(frozen=True)
class _Kept:
    hand_over: HandOver
    until: datetime
    characters: int


class UnfinishedTurns:
    """Keeps turns in memory, for a while and up to a size."""

    def __init__(self, ids: CallIds, clock: Callable[[], datetime], max_characters: int = MAX_CHARACTERS) -> None:
        self._ids = ids
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._max_characters = max_characters
        self._characters = 0

    def keep(self, hand_over: HandOver, owner: str) -> tuple[ToolCall, ...]:
        """Return the calls as the client gets them, under ids by which `resumed` finds the rest."""
        turn = new_turn()
        size = _characters(hand_over)
        self._kept[turn] = _Kept(hand_over, self._clock() + WAIT, size)
        self._characters += size
        self._tidy()
        return tuple(
            replace(call, id=self._ids.write(CallId(turn, number, hand_over.used_ours), call.name, owner))
            for number, call in enumerate(hand_over.calls)
        )

    def turn_of(self, call: ToolCall, owner: str) -> str | None:
        """Return which answer to `owner` the call came from; None: it came from none."""
        id_ = self._ids.read(call.id, call.name, owner)
        return id_.turn if id_ else None

    def resumed(self, messages: Sequence[Message], places: Sequence[str], owner: str) -> Resumed:
        """Put back what was kept of the turns in `messages`, whose calls were all issued to `owner`.

        Of a turn that is over, the client's own part is enough.

        Raises:
            ApiError: 400 `turn_expired`, when the turn to be answered now cannot be put back.
        """
        self._tidy()
        result: list[Message] = []
        begun = Begun()
        for group in _groups(messages, places):
            ids = [self._ids.read(call.id, call.name, owner) for call in group.calls]
            found = self._found(ids, group.place) if ids else None
            if found is None and group.is_open and any(id_ and id_.needs_results for id_ in ids):
                raise _expired(group.place)
            result += group.messages if found is None else _restored(group, ids, found)
            if found and group.is_open:
                begun = Begun(called=begun.called | found.called, calls_left=found.calls_left)
        return Resumed(tuple(result), begun)

    def _found(self, ids: Sequence[CallId | None], place: str) -> HandOver | None:
        turns = {id_.turn if id_ else "" for id_ in ids}
        if len(turns) > 1:
            raise invalid(f"`{place}` mixes tool calls of different answers.", place, "unknown_tool_call")
        kept = self._kept.get(turns.pop())
        if kept and {id_.number for id_ in ids if id_} != set(range(len(kept.hand_over.calls))):
            said = f"`{place}` must hold all tool calls of its answer; it came with {len(kept.hand_over.calls)}."
            raise invalid(said, place, "missing_tool_result")
        return kept.hand_over if kept else None

    def _tidy(self) -> None:
        now = self._clock()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.until > now and self._characters <= self._max_characters and len(self._kept) <= MAX_TURNS:
                return
            self._characters -= self._kept.popitem(last=False)[1].characters


@dataclass(frozen=True)
class _Group:
    """A message, and where it calls tools, the results that follow it."""

    place: str
    messages: tuple[Message, ...]
    is_open: bool
    """Whether the turn is not over: no question has come after it."""

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return self.messages[0].tool_calls


def _groups(messages: Sequence[Message], places: Sequence[str]) -> Iterator[_Group]:
    last_question = max((index for index, each in enumerate(messages) if each.role == "user"), default=-1)
    index = 0
    while index < len(messages):
        end = index + 1
        while messages[index].tool_calls and end < len(messages) and messages[end].role == "tool":
            end += 1
        yield _Group(places[index], tuple(messages[index:end]), index > last_question)
        index = end


def _restored(group: _Group, ids: Sequence[CallId | None], found: HandOver) -> Iterator[Message]:
    """Yield the turn as the model knows it, with the ids that it gave to its calls."""
    own = {call.id: found.calls[id_.number].id for call, id_ in zip(group.calls, ids, strict=True) if id_}
    yield from found.messages
    for result in group.messages[1:]:
        yield replace(result, tool_call_id=own[result.tool_call_id])
    yield from found.roles


def _expired(place: str) -> ApiError:
    said = (
        f"What the chatbot's own tools found for this answer was kept for {WAIT.seconds // 60} minutes at most and is "
        "gone; ask the question again without these tool calls."
    )
    return ApiError(400, "turn_expired", said, param=place)


def _characters(hand_over: HandOver) -> int:
    return sum(len(each.text) + len(str(each.raw or "")) + _written(each) for each in hand_over.messages)


def _written(message: Message) -> int:
    return sum(len(call.arguments) for call in message.tool_calls)
