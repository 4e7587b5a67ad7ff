"""One provider behind LangChain, asked like every other model."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langsmith import tracing_context

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Event, ModelFailed
from smarter_runtime.models import ANY_TOOL, ModelRequest, Parameters, author
from smarter_runtime.models.failures import failed
from smarter_runtime.models.langchain.assemble import ChunkAssembler
from smarter_runtime.models.langchain.build import ChatModels
from smarter_runtime.models.langchain.failures import meaning, refused_parameter
from smarter_runtime.models.langchain.messages import langchain_messages
from smarter_runtime.models.langchain.vendors import vendor
from smarter_runtime.models.lessons import Lessons
from smarter_runtime.network import check_host

Keys = Callable[[], tuple[str, str]]
"""The provider's key and the authorities to trust, as they are now; raises `ModelFailed` without them."""


class LangChainModel:
    """Asks one provider by LangChain."""

    def __init__(self, provider: ProviderConfig, models: ChatModels, keys: Keys, lessons: Lessons) -> None:
        self._provider = provider
        self._vendor = vendor(provider)
        self._models = models
        self._keys = keys
        self._lessons = lessons

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        parameters = self._heeded(request.parameters)
        chat = self._chat(parameters)
        writer = author(self._provider.name, request.parameters.model)
        messages = langchain_messages(request.messages, writer)
        try:
            await self._check_address()
            # Whatever the environment says: what is said in a conversation goes to no tracing service.
            with tracing_context(enabled=False):
                chunks = self._bound(chat, request).astream(messages, **self._vendor.asked_with)
                async for event in self._events(chunks):
                    yield event
        except ModelFailed:
            raise
        except Exception as error:
            raise self._failure(error, parameters) from error
        self._lessons.refusals.pop(self._provider.name, None)

    def prepare(self, model: str) -> None:
        """Make ready for `model` what the first answer would else wait for; what is wrong is remembered."""
        with contextlib.suppress(ModelFailed):
            self._chat(Parameters(model=model))

    def _chat(self, parameters: Parameters) -> BaseChatModel:
        keys = self._keys()
        try:
            return self._models.get(self._provider, parameters, *keys)
        except ModelFailed as failure:
            if refused := refused_parameter(failure.__cause__, parameters):
                raise self._without(refused, parameters) from failure
            self._lessons.refusals[self._provider.name] = f"{failure.detail}."
            raise

    def _heeded(self, parameters: Parameters) -> Parameters:
        unset: dict[str, Any] = dict.fromkeys(self._lessons.refused(self._provider.name, parameters.model))
        return replace(parameters, **unset) if unset else parameters

    def _bound(self, chat: BaseChatModel, request: ModelRequest) -> Any:
        asked = self._asked(request.parameters)
        if not request.offers:
            return chat.bind(**asked) if asked else chat
        tools = [
            {
                "type": "function",
                "function": {"name": offer.name, "description": offer.description, "parameters": offer.parameters},
            }
            for offer in request.offers
        ]
        return chat.bind_tools(tools, **self._choice(request), **asked)

    def _asked(self, parameters: Parameters) -> dict[str, Any]:
        asked: dict[str, Any] = {"stop": list(parameters.stop)} if parameters.stop else {}
        if parameters.json_format is None:
            return asked
        wanted = self._vendor.json(parameters.json_format)
        if wanted is None:
            text = "This chatbot's model cannot be asked for JSON in this way; leave `response_format` out."
            raise ModelFailed("rejected", text, detail="response_format")
        return asked | dict(wanted)

    def _choice(self, request: ModelRequest) -> dict[str, Any]:
        # The tools stay in the request when they may not be called: earlier messages speak of them.
        if not request.may_call_tools:
            return dict(self._vendor.no_tools)
        choice = (
            {"tool_choice": "any" if request.must_call == ANY_TOOL else request.must_call} if request.must_call else {}
        )
        is_serial = self._vendor.parallel and request.parameters.parallel_tool_calls is False
        return {**choice, **({"parallel_tool_calls": False} if is_serial else {})}

    async def _events(self, chunks: AsyncIterator[AIMessageChunk]) -> AsyncGenerator[Event, None]:
        assembler = ChunkAssembler(self._vendor.says_why_it_ends)
        async with aclosing(_patiently(chunks, self._provider.timeout_seconds)) as patient:
            async for chunk in patient:
                for event in assembler.events(chunk):
                    yield event
        for event in assembler.end():
            yield event

    async def _check_address(self) -> None:
        # The provider's own library dials: the address can be looked at before, not at the socket.
        if address := self._provider.base_url or self._vendor.base_url:
            await check_host(address, self._provider.allowed_cidrs)

    def _failure(self, error: Exception, parameters: Parameters) -> ModelFailed:
        name = self._provider.name
        refused = refused_parameter(error, parameters)
        if refused:
            return self._without(refused, parameters)
        failure = meaning(error)
        if failure.kind in ("auth", "quota"):
            self._lessons.refusals[name] = f"{failure} ({failure.detail})"
        return failure

    def _without(self, refused: str, parameters: Parameters) -> ModelFailed:
        self._lessons.forget(self._provider.name, parameters.model, refused)
        return failed("parameter_refused", refused)


async def _patiently(chunks: AsyncIterator[AIMessageChunk], seconds: float) -> AsyncGenerator[AIMessageChunk, None]:
    """Yield `chunks`, and give up when one does not come in time."""
    close: Callable[[], Awaitable[None]] | None = getattr(chunks, "aclose", None)
    try:
        while True:
            async with asyncio.timeout(seconds):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk
    finally:
        if close is not None:
            await close()
