"""A stored conversation while one answer of it is made: what came before, and what is kept of the answer."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from smarter_runtime.conversations import (
    ConversationBusy,
    ConversationFull,
    Conversations,
    ConversationsUnavailable,
    Memory,
    Opened,
    Question,
    Sticky,
    TurnState,
    UnknownConversation,
    first_turn,
    is_id,
)
from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.events import Message
from smarter_runtime.inbound import Ask
from smarter_runtime.plan import Plan
from smarter_runtime.selection import EARLIER, Found

logger = logging.getLogger(__name__)

HEADER = "Smarter-Conversation"
NEW = "new"
"""Value of the header that begins a conversation; any other is the id of one."""

BUSY_POLL_SECONDS = 0.1
LEASE_SECONDS = 60
"""How long a turn stays open that nobody works on any more."""

T = TypeVar("T")


@dataclass(frozen=True)
class Talk:
    """An open turn."""

    store: Conversations
    question: Question
    opened: Opened

    @property
    def id(self) -> str:
        return self.opened.conversation

    def history(self) -> tuple[Message, ...]:
        """Return what was said, and the question last."""
        return (*(message for _, message in self._numbered()), Message("user", self.question.text))

    def found(self) -> tuple[Found, ...]:
        """Return what earlier messages brought in, by indices of `history`."""
        index_of = {number: index for index, (number, message) in enumerate(self._numbered()) if message.role == "user"}
        return tuple(
            Found(each.plugin, index_of.get(each.since, EARLIER), each.mentioned - self.opened.number)
            for each in self.opened.memory.selected
        )

    async def guarded(self, planning: Awaitable[T]) -> T:
        """Wait for `planning`; when it fails, the turn has failed."""
        try:
            return await planning
        except BaseException:
            await self.end("", "Failed", None, self.question.now_ms)
            raise

    async def hold(self, now_ms: Callable[[], int]) -> None:
        """Keep the turn open as long as this runs."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                await self.store.extend(self.id, self.question.answer_id, now_ms() + 1000 * LEASE_SECONDS)
            except ConversationsUnavailable as error:
                logger.warning("a conversation cannot be held", extra={"text": str(error)})

    async def end(self, text: str, state: TurnState, plan: Plan | None, now_ms: int) -> None:
        """Keep the answer, or that there is none. What fails here is logged: the client has its answer already."""
        asked = first_turn(self.question, self.opened.number)
        turn = replace(asked, answer=text, state=state, answered_ms=now_ms)
        memory = self._memory(plan) if plan is not None and turn.is_answered else None
        try:
            if not await self.store.close(self.id, turn, memory):
                logger.info("an answer was not kept: its conversation was erased meanwhile")
        except ConversationsUnavailable as error:
            logger.error("an answer was not kept", extra={"text": str(error)})

    def _memory(self, plan: Plan) -> Memory:
        numbers = [*(number for number, _ in self._numbered()), self.opened.number]
        before = {each.plugin: each for each in self.opened.memory.selected}
        newest = len(numbers) - 1
        selected = []
        for each in plan.selection:
            if each.plugin.selector.directive != "SearchTerms":
                continue
            name = each.plugin.name
            since = self.opened.number if each.since == newest else before[name].since
            mentioned = self.opened.number if each.mentioned == newest else before[name].mentioned
            selected.append(Sticky(name, since, mentioned))
        return Memory(numbers[plan.kept_from], tuple(selected))

    def _numbered(self) -> list[tuple[int, Message]]:
        pairs = ((turn, role) for turn in self.opened.turns for role in ("user", "assistant"))
        return [
            (turn.number, Message("user", turn.question) if role == "user" else Message("assistant", turn.answer))
            for turn, role in pairs
        ]


async def opened(store: Conversations, header: str, question: Question, wait_seconds: float) -> Talk:
    """Begin a turn of the conversation that the header names, or of a new one.

    While another answer of it is being made, wait: whoever stops an answer may ask again at once.

    Raises:
        ApiError: 404, 409, 400 or 503.
    """
    try:
        if header == NEW:
            return Talk(store, question, await store.create(secrets.token_urlsafe(16), question))
        if not is_id(header):
            raise UnknownConversation
        return Talk(store, question, await _when_free(store, header, question, wait_seconds))
    except UnknownConversation:
        raise unknown_conversation() from None
    except ConversationBusy:
        text = "Another answer of this conversation is being made. Ask again when it is finished."
        raise ApiError(409, "conversation_busy", text, headers={"Retry-After": "1"}) from None
    except ConversationFull:
        text = f"This conversation has become too long. Begin a new one: send `{HEADER}: {NEW}`."
        raise ApiError(400, "conversation_full", text, param=HEADER) from None
    except ConversationsUnavailable as error:
        raise unavailable(error) from error


async def _when_free(store: Conversations, id_: str, question: Question, wait_seconds: float) -> Opened:
    end = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            return await store.open(id_, question)
        except ConversationBusy:
            if asyncio.get_running_loop().time() >= end:
                raise
        await asyncio.sleep(BUSY_POLL_SECONDS)


def new_message(ask: Ask) -> str:
    """Return the one message of a request to a stored conversation.

    Raises:
        ApiError: 400, when there is more.
    """
    if len(ask.messages) != 1 or ask.messages[0].role != "user":
        text = f"With the header `{HEADER}`, send the new user message only: the server has the others."
        raise invalid(text, "messages", "history_is_kept")
    if ask.wishes.tools:
        text = f"Tools of your own and the header `{HEADER}` do not go together: send the whole history without it."
        raise invalid(text, "tools", "unsupported_parameter")
    return ask.messages[0].text


def owner_digest(owner: str) -> str:
    """Return what stands for a caller in stores: whoever reads them learns nobody's cookie."""
    return hashlib.sha256(owner.encode()).hexdigest()


def unknown_conversation() -> ApiError:
    text = "There is no such conversation: it was erased, is too old, or is not yours."
    return ApiError(404, "conversation_not_found", text)


def unavailable(error: ConversationsUnavailable) -> ApiError:
    logger.error("conversations cannot be reached", extra={"text": str(error)})
    text = "Conversations cannot be reached right now. Please try again in a moment."
    return ApiError(503, "store_unavailable", text, headers={"Retry-After": "2"})
