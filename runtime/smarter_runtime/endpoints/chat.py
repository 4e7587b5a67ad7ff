"""The OpenAI-compatible API."""

import asyncio
import secrets
from functools import partial

from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.answers import AnswerResponse
from smarter_runtime.endpoints.body import json_body
from smarter_runtime.plan import Wishes, plan
from smarter_runtime.request import chat_request
from smarter_runtime.wire import Completion, model_list

LONG_CHARACTERS = 20_000


async def chat_completions(request: Request) -> Response:
    services = parts.of(request)
    bot = services.answering_bot()
    caller = services.caller(request, bot)
    chat = chat_request(await json_body(request, services.settings), bot.config, services.settings.max_messages)
    services.tokens.check(bot.config.limits.tokens_per_day)
    now = services.clock()
    wishes = Wishes(
        max_tokens=chat.max_tokens, seed=chat.seed, stop=chat.stop, client_id=services.sessions.pseudonym(caller.id)
    )
    completion = Completion(f"chatcmpl-{secrets.token_hex(16)}", int(now.timestamp()), bot.model_name)
    planning = partial(plan, bot, chat.messages, wishes, services.settings.max_history_characters, now)
    # Looking for many terms in a long conversation takes a while; the streams of others go on meanwhile.
    is_long = sum(len(message.text) for message in chat.messages) > LONG_CHARACTERS
    chosen = await asyncio.to_thread(planning) if is_long else planning()
    return AnswerResponse(services, chosen, completion, stream=chat.stream, usage=chat.include_usage)


async def models(request: Request) -> Response:
    services = parts.of(request)
    bot = services.answering_bot()
    services.caller(request, bot)
    return Response(
        model_list(bot.model_name, int(bot.loaded_at.timestamp()), bot.config.bot.name), media_type="application/json"
    )
