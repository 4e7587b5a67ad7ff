"""From a request of any format to the answer that is to be made."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.access import Caller
from smarter_runtime.answer_format import AnswerFormat
from smarter_runtime.answers import HEADERS, AnswerResponse, Job
from smarter_runtime.bot import Bot
from smarter_runtime.conversations import Question
from smarter_runtime.conversations.talk import HEADER, LEASE_SECONDS, Talk, new_message, opened, owner_digest
from smarter_runtime.endpoints.body import json_body
from smarter_runtime.events import ToolCall
from smarter_runtime.inbound import Ask, Reader
from smarter_runtime.limits.limiter import Admitted
from smarter_runtime.limits.lines import Asker
from smarter_runtime.plan import Begun, Confirmed, Plan, plan
from smarter_runtime.repeats import Once, RepeatableResponse, once
from smarter_runtime.services import Services
from smarter_runtime.unfinished import Resumed

LONG_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A request that is understood and may be answered."""

    request: Request
    services: Services
    bot: Bot
    caller: Caller
    ask: Ask
    now: datetime
    once: Once | None
    """Set where the client wants one answer however often it asks."""

    @property
    def owner(self) -> str:
        return owner(self.bot, self.caller)

    async def response(self, form: AnswerFormat) -> Response:
        """Return what makes the answer while it is sent, or repeats it."""

        async def new() -> AnswerResponse:
            return AnswerResponse(self.services, await self._job(form))

        if self.once is None:
            return await new()
        return RepeatableResponse(self.services, self.request, self.once, new)

    async def _job(self, form: AnswerFormat) -> Job:
        limits, origin = self.services.limits, self.services.origin(self.request, self.bot)
        # What a person confirmed is read before anything is counted: a confirmation that is not good costs nothing.
        confirmations = self.services.confirmations
        confirmed = tuple([await confirmations.read(token, self.bot, self.owner) for token in self.ask.confirm])
        admitted = await limits.admit(self.bot.config, Asker(self.caller.id, self.caller.key, origin))
        try:
            return await self._admitted_job(form, confirmed, admitted)
        except BaseException:
            limits.release(admitted)
            raise

    async def _admitted_job(self, form: AnswerFormat, confirmed: tuple[Confirmed, ...], admitted: Admitted) -> Job:
        talk = await self._talk(form.id)
        planning = self._plan(talk, confirmed)
        return Job(
            plan=await planning if talk is None else await talk.guarded(planning),
            form=form,
            stream=self.ask.stream,
            owner=self.owner,
            key=self.caller.key,
            talk=talk,
            admitted=admitted,
        )

    async def _talk(self, answer_id: str) -> Talk | None:
        """Begin a turn of the stored conversation that the request names; None: it names none."""
        header = self.request.headers.get(HEADER)
        if header is None:
            return None
        settings, now_ms = self.services.settings, self.services.now_ms()
        question = Question(
            owner=owner_digest(self.owner),
            text=new_message(self.ask),
            answer_id=answer_id,
            now_ms=now_ms,
            until_ms=now_ms + 1000 * LEASE_SECONDS,
        )
        store = self.services.keeping.conversations
        talk = await opened(store, header, question, settings.conversation_wait_seconds)
        # Also with an error: whoever tries again shall do so in the same conversation.
        self.request.scope[HEADERS] = {HEADER: talk.id}
        return talk

    async def _plan(self, talk: Talk | None, confirmed: tuple[Confirmed, ...]) -> Plan:
        services, ask = self.services, self.ask
        before = _remembered(talk) if talk else services.unfinished.resumed(ask.messages, ask.places, self.owner)
        client_id = services.sessions.pseudonym(self.caller.id)
        wishes = replace(ask.wishes, client_id=client_id, claims=self.caller.claims, confirmed=confirmed)
        most = services.settings.max_history_characters
        planning = partial(plan, self.bot, before.messages, wishes, most, self.now, before.begun)
        # Looking for many terms in a long conversation takes a while; the streams of others go on meanwhile.
        is_long = sum(len(message.text) for message in before.messages) > LONG_CHARACTERS
        return await asyncio.to_thread(planning) if is_long else planning()


async def asking(request: Request, read: Callable[[Any, Reader], Ask]) -> Asking:
    """Return what is asked, read by the format's `read`.

    Raises:
        ApiError: when the caller may not ask, or not so.
    """
    services = parts.of(request)
    bot = services.answering_bot()
    caller = await services.caller(request, bot)
    body = await json_body(request, services.settings)
    ask = read(body.value, _reader(services, bot, caller))
    return Asking(
        request=request,
        services=services,
        bot=bot,
        caller=caller,
        ask=ask,
        now=services.clock(),
        once=once(request, body.raw, owner(bot, caller)),
    )


def owner(bot: Bot, caller: Caller) -> str:
    """Return who asks, told apart from those who ask another bot."""
    return owner_of(bot, caller.id)


def owner_of(bot: Bot, caller_id: str) -> str:
    return f"{bot.config.bot.uid}/{caller_id}"


def _remembered(talk: Talk) -> Resumed:
    return Resumed(talk.history(), Begun(found=talk.found()))


def _reader(services: Services, bot: Bot, caller: Caller) -> Reader:
    def turn_of(call: ToolCall) -> str | None:
        return services.unfinished.turn_of(call, owner(bot, caller))

    return Reader(
        has_key=caller.key is not None,
        model=bot.config.model.name,
        bot=bot.config.bot.name,
        own_tools=bot.toolbox.names,
        turn_of=turn_of,
        max_prompt_characters=bot.config.limits.max_prompt_characters,
        max_messages=services.settings.max_messages,
        max_context_characters=services.settings.max_history_characters,
    )
