"""Conversations that the server keeps: what is stored of them, and what every store of them can do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

TurnState = Literal["Open", "Complete", "Length", "Filtered", "Stopped", "Failed"]
"""`Open`: being answered. `Stopped`: the client went away. `Failed`: there is no answer, or it broke off."""

TITLE_CHARACTERS = 80
DAY_MS = 24 * 3600 * 1000
MOST_TURNS = 500
"""Turns of one conversation; a longer one is refused, so that it can be read in bounded time."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class UnknownConversation(Exception):
    """There is no such conversation of this owner and bot."""


class ConversationBusy(Exception):
    """An answer of the conversation is being made."""


class ConversationFull(Exception):
    """The conversation has as many turns as it may have."""


class ConversationsUnavailable(Exception):
    """The store cannot be reached, or cannot do its work. The message says why, without content and secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer."""

    number: int
    """From 1, without gaps."""
    question: str
    asked_ms: int
    """Milliseconds since 1970, as all times here."""
    answer_id: str
    answer: str = ""
    state: TurnState = "Open"
    answered_ms: int = 0

    @property
    def is_answered(self) -> bool:
        """Tell whether models read the turn: one whose answer failed is for people only."""
        return bool(self.answer) and self.state not in ("Open", "Failed")


@dataclass(frozen=True, slots=True)
class Sticky:
    """A plugin that was selected by its terms: in which turn, and in which it was mentioned last."""

    plugin: str
    since: int
    mentioned: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What holds for the next turn."""

    kept_from: int = 1
    """Number of the first turn that models still read."""
    selected: tuple[Sticky, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A conversation without its turns."""

    id: str
    title: str
    created_ms: int
    updated_ms: int
    turns: int
    open_until_ms: int
    """While the last turn is open: until when it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What begins a turn."""

    owner: str
    text: str
    answer_id: str
    now_ms: int
    until_ms: int
    """When the answer is given up unless `extend` says otherwise: a process that died keeps nobody waiting for long."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A turn that was begun, with what came before it."""

    conversation: str
    number: int
    turns: tuple[Turn, ...]
    """The answered turns that models still read."""
    memory: Memory


class Conversations(Protocol):
    """A store of one bot's conversations. Each call is whole or not at all, also beside calls of other processes.

    An owner is a digest that stands for one visitor, identity or key. Every method may raise
    `ConversationsUnavailable`.
    """

    async def create(self, id_: str, question: Question) -> Opened: ...

    async def open(self, id_: str, question: Question) -> Opened:
        """Begin the next turn.

        Raises:
            UnknownConversation: also when it is somebody else's.
            ConversationBusy: while another turn is open.
            ConversationFull: when it has all the turns that it may have.
        """

    async def close(self, id_: str, turn: Turn, memory: Memory | None) -> bool:
        """Keep what became of an open turn; returns whether it was still there. `memory` is kept unless it is None."""

    async def extend(self, id_: str, answer_id: str, until_ms: int) -> bool:
        """Let a turn be open until then; returns whether it still was."""

    async def heads(self, owner: str, at_most: int, before: tuple[int, str] | None = None) -> Sequence[Head]:
        """Return conversations, latest first; with `before` those after that one's `updated_ms` and id."""

    async def read(self, owner: str, id_: str, at_most: int, before: int) -> tuple[Head, Sequence[Turn]] | None:
        """Return the latest turns with numbers below `before`, in their order; None: there is no such conversation."""

    async def erase(self, owner: str, id_: str) -> bool: ...

    async def erase_all(self, owner: str) -> int: ...

    async def expire(self, before_ms: int, at_most: int) -> int:
        """Erase conversations that were last used before `before_ms`, the oldest first; returns how many."""

    async def sweep(self, days: int, now_ms: int, at_most: int) -> int:
        """See to it that nothing outlives its bot: `days` is how long this one keeps what was not used.

        Returns how many conversations of other bots, which look after theirs no more, were erased.
        """


def is_id(text: str) -> bool:
    """Tell whether a conversation can be called so; what cannot is asked of no store."""
    return _ID.fullmatch(text) is not None


def title_of(question: str) -> str:
    """Return what a conversation is called in lists: how its first question begins."""
    line = " ".join(question[: 4 * TITLE_CHARACTERS].split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1] + "…"


def next_turn(last: Turn, question: Question) -> Turn:
    """Return the turn of `question`, which comes after `last`.

    A question that got no answer and is asked again takes the place of the first attempt.
    """
    is_again = not last.is_answered and last.question == question.text
    number = last.number if is_again else last.number + 1
    if number > MOST_TURNS:
        raise ConversationFull
    return first_turn(question, number)


def first_turn(question: Question, number: int = 1) -> Turn:
    return Turn(number=number, question=question.text, asked_ms=question.now_ms, answer_id=question.answer_id)
