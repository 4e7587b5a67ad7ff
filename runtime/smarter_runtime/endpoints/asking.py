"""From a request of any format to the answer that is to be made."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import Request

from smarter_runtime import services as parts
from smarter_runtime.access import Caller
from smarter_runtime.answer_format import AnswerFormat
from smarter_runtime.answers import Job
from smarter_runtime.bot import Bot
from smarter_runtime.endpoints.body import json_body
from smarter_runtime.events import ToolCall
from smarter_runtime.inbound import Ask, Reader
from smarter_runtime.plan import plan
from smarter_runtime.services import Services

LONG_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A request that is understood and may be answered."""

    services: Services
    bot: Bot
    caller: Caller
    ask: Ask
    now: datetime

    @property
    def owner(self) -> str:
        return owner(self.bot, self.caller)

    async def job(self, form: AnswerFormat) -> Job:
        """Plan the answer."""
        services, ask = self.services, self.ask
        resumed = services.unfinished.resumed(ask.messages, self.owner)
        wishes = replace(ask.wishes, client_id=services.sessions.pseudonym(self.caller.id))
        most = services.settings.max_history_characters
        planning = partial(plan, self.bot, resumed.messages, wishes, most, self.now, resumed.begun)
        # Looking for many terms in a long conversation takes a while; the streams of others go on meanwhile.
        is_long = sum(len(message.text) for message in resumed.messages) > LONG_CHARACTERS
        chosen = await asyncio.to_thread(planning) if is_long else planning()
        return Job(plan=chosen, form=form, stream=ask.stream, owner=self.owner)


async def asking(request: Request, read: Callable[[Any, Reader], Ask]) -> Asking:
    """Return what is asked, read by the format's `read`.

    Raises:
        ApiError: when the caller may not ask, or not so.
    """
    services = parts.of(request)
    bot = services.answering_bot()
    caller = services.caller(request, bot)
    ask = read(await json_body(request, services.settings), _reader(services, bot, caller))
    services.tokens.check(bot.config.limits.tokens_per_day)
    return Asking(services=services, bot=bot, caller=caller, ask=ask, now=services.clock())


def owner(bot: Bot, caller: Caller) -> str:
    """Return who asks, told apart from those who ask another bot."""
    return f"{bot.config.bot.uid}/{caller.id}"


def _reader(services: Services, bot: Bot, caller: Caller) -> Reader:
    def is_issued(call: ToolCall) -> bool:
        return services.unfinished.is_issued(call, owner(bot, caller))

    return Reader(
        has_key=caller.key is not None,
        model=bot.config.model.name,
        bot=bot.config.bot.name,
        own_tools=bot.toolbox.names,
        is_issued=is_issued,
        max_prompt_characters=bot.config.limits.max_prompt_characters,
        max_messages=services.settings.max_messages,
        max_context_characters=services.settings.max_history_characters,
    )
