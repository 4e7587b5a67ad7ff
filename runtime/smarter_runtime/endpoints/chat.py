"""The OpenAI-compatible API."""

import secrets

from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.endpoints.asking import asking
from smarter_runtime.inbound.chat import chat_request
from smarter_runtime.inbound.responses import responses_request
from smarter_runtime.responses_wire import ResponseForm
from smarter_runtime.wire import Completion, model_list


async def chat_completions(request: Request) -> Response:
    asked = await asking(request, chat_request)
    created = int(asked.now.timestamp())
    id_ = f"chatcmpl-{secrets.token_hex(16)}"
    form = Completion(id_, created, asked.bot.model_name, include_usage=asked.ask.include_usage)
    return await asked.response(form)


async def responses(request: Request) -> Response:
    asked = await asking(request, responses_request)
    form = ResponseForm(int(asked.now.timestamp()), asked.bot.model_name, asked.ask.echo)
    return await asked.response(form)


async def models(request: Request) -> Response:
    services = parts.of(request)
    bot = services.answering_bot()
    await services.caller(request, bot)
    return Response(
        model_list(bot.model_name, int(bot.loaded_at.timestamp()), bot.config.bot.name), media_type="application/json"
    )
