"""One answer: ask the model, run the tools it asks for, ask again. Knows neither HTTP nor a provider."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from typing import Protocol

from smarter_crds.runtime_config import ModelChoice
from smarter_runtime.events import (
    Confirm,
    Event,
    Finish,
    HandOver,
    Message,
    ModelFailed,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from smarter_runtime.fallbacks import Attempts, RetryPolicy
from smarter_runtime.models import Model, ModelRequest, Parameters, author, estimated_usage
from smarter_runtime.plan import Confirmed, Plan

STOPPED = "stopped"
MAX_CLIENT_CALLS = 128
"""In one answer."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Round:
    """How asking a model once went."""

    provider: str
    parameters: Parameters
    usage: Usage
    seconds: float
    first_seconds: float | None
    failure: str
    finish: str = ""
    """Why the model ended; empty where it did not."""


@dataclass(frozen=True)
class _Begin:
    """What a round begins with, whichever model makes it."""

    messages: tuple[Message, ...]
    called: frozenset[str]
    may_call_tools: bool


@dataclass
class _Reply:
    """What a model's reply asks for, and how it ends."""

    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish = field(default_factory=lambda: Finish("stop"))

    def takes(self, event: Event) -> bool:
        """Keep what is not for the client to see; returns whether it was."""
        if isinstance(event, ToolCall):
            self.calls.append(event)
        elif isinstance(event, Finish):
            self.finish = event
        else:
            return False
        return True


class _Turn:
    """How far a turn has come."""

    def __init__(self, plan: Plan) -> None:
        self._begin = len(plan.messages)
        self._has_client_tools = bool(plan.client_tools)
        self.messages = plan.messages
        self.called = plan.begun.called
        self.calls_left = plan.max_tool_calls

    @property
    def may_call_tools(self) -> bool:
        # The client's tools cost us nothing. But one call too many of ours ends them all, or the rounds would not end.
        return self.calls_left > 0 or (self._has_client_tools and self.calls_left == 0)

    def add(self, message: Message, results: Sequence[ToolResult]) -> None:
        """Let the model's message and what our own tools said to it join the conversation."""
        self.messages += (message, *(result.as_message() for result in results))
        self.called |= {result.call.name for result in results}
        self.calls_left -= len(results)

    def join(self, roles: tuple[Message, ...]) -> None:
        self.messages += roles

    def handed_over(self, calls: tuple[ToolCall, ...], roles: tuple[Message, ...]) -> HandOver:
        """Return the turn as it waits for the client.

        Raises:
            ModelFailed: when the model wants more than any client could do.
        """
        if len(calls) > MAX_CLIENT_CALLS:
            raise ModelFailed("garbage", "The model asked for too many tools at once.")
        since = self.messages[self._begin :]
        return HandOver(
            calls=calls,
            messages=since,
            roles=roles,
            called=self.called,
            calls_left=self.calls_left,
            used_ours=any(message.role == "tool" for message in since),
        )


ToolDone = Callable[[ToolResult], None]


class Observer(Protocol):
    """Told what happens, for metering."""

    async def round_begins(self, request: ModelRequest, provider: str) -> None:
        """Hear of a round before the model is asked.

        Raises:
            ModelFailed: when it may not be asked.
        """
        ...

    def round_done(self, finished: Round) -> None: ...

    def tool(self, call: ToolCall) -> AbstractContextManager[ToolDone]:
        """Return what stands around a call of one of our tools, and is told how it went."""
        ...


class Conversation:
    """Makes one answer."""

    def __init__(self, plan: Plan, model: Callable[[str], Model], observer: Observer, retry: RetryPolicy) -> None:
        self._plan = plan
        self._model = model
        self._observer = observer
        self._attempts = Attempts(retry, plan.fallbacks)
        self._fallback: ModelChoice | None = None
        self._spoken = ""

    @property
    def spoken(self) -> str:
        """What was said so far."""
        return self._spoken

    async def answer(self) -> AsyncGenerator[Event | HandOver | Confirm, None]:
        """Yield text, reasoning and usage until the model answers without asking for a tool; `Finish` comes last.

        Where the model asks for tools of the client's, a `HandOver` comes before it; where it asks for what the person
        must confirm, a `Confirm` comes at once.
        """
        turn = _Turn(self._plan)
        await self._do_confirmed(turn)
        while True:
            reply = _Reply()
            text_before = len(self._spoken)
            begin = _Begin(turn.messages, turn.called, turn.may_call_tools)
            async with aclosing(self._reply(begin)) as events:
                async for event in events:
                    if not reply.takes(event):
                        yield event
            if not reply.calls or not turn.may_call_tools:
                yield self._last(reply.finish, reply.calls)
                return
            theirs = tuple(call for call in reply.calls if call.name in self._plan.client_tools)
            ours = [call for call in reply.calls if call.name not in self._plan.client_tools]
            roles = self._plan.roles_of(ours, turn.called)
            message = self._message(reply, self._spoken[text_before:], turn.called)
            results = await self._results(ours, turn.calls_left)
            turn.add(message, results)
            if waiting := tuple(result.waiting for result in results if result.waiting):
                yield Confirm(waiting)
            if theirs:
                yield turn.handed_over(theirs, roles)
                yield Finish("tool_calls")
                return
            turn.join(roles)

    def _message(self, reply: "_Reply", text: str, called: frozenset[str]) -> Message:
        model = self._choice(called)
        raw_from = author(model.provider, model.name)
        return Message("assistant", text, tuple(reply.calls), raw=reply.finish.raw, raw_from=raw_from)

    def _choice(self, called: frozenset[str]) -> ModelChoice:
        # A model that has stepped in stays to the end of the answer.
        return self._fallback or self._plan.choice(called)

    def _last(self, finish: Finish, calls: Sequence[ToolCall]) -> Finish:
        if calls and not self._spoken:
            raise ModelFailed("no_answer", "The model kept asking for tools and gave no answer.")
        return Finish("stop" if finish.reason == "tool_calls" else finish.reason)

    async def _do_confirmed(self, turn: _Turn) -> None:
        """Make the calls that the person has confirmed, as if the model had just asked for them."""
        confirmed = self._plan.wishes.confirmed
        if not confirmed:
            return
        calls = tuple(each.call for each in confirmed)
        turn.join(self._plan.roles_of(calls, turn.called))
        results = [await self._confirmed_result(each) for each in confirmed]
        turn.add(Message("assistant", "", calls), results)

    async def _confirmed_result(self, confirmed: Confirmed) -> ToolResult:
        if refusal := await confirmed.claim():
            return ToolResult(confirmed.call, refusal, is_error=True)
        return await self._result(confirmed.call, is_confirmed=True)

    async def _results(self, calls: Sequence[ToolCall], calls_left: int) -> list[ToolResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._result(call)) for call in calls[:calls_left]]
        refusal = "No more tool calls are possible in this answer; answer with what you have."
        return [task.result() for task in tasks] + [
            ToolResult(call, refusal, is_error=True) for call in calls[calls_left:]
        ]

    async def _result(self, call: ToolCall, *, is_confirmed: bool = False) -> ToolResult:
        plan = self._plan
        # What was offered when the person was asked is there now, whatever this turn's words select.
        offered = plan.offered | ({call.name} & plan.bot.toolbox.names) if is_confirmed else plan.offered
        with self._observer.tool(call) as done:
            result = await plan.bot.toolbox.call(call, offered, plan.wishes.claims, is_confirmed=is_confirmed)
            done(result)
        return result

    async def _reply(self, begin: _Begin) -> AsyncGenerator[Event, None]:
        """Yield one round, asking again or another model as long as nothing of the answer is out."""
        while True:
            choice = self._choice(begin.called)
            request = self._plan.request(choice, begin.messages, may_call_tools=begin.may_call_tools)
            try:
                async with aclosing(self._round(request, choice.provider)) as events:
                    async for event in events:
                        yield event
                return
            except ModelFailed as failure:
                step = None if self._spoken else self._attempts.after(failure, choice.provider)
                if step is None:
                    raise
                extra = {"kind": failure.kind, "detail": failure.detail, "model": choice.name}
                logger.warning("a model failed and the answer goes on", extra=extra)
            if step.fallback is not None:
                self._fallback = self._plan.fallbacks[step.fallback]
            await asyncio.sleep(step.delay)

    async def _round(self, request: ModelRequest, provider: str) -> AsyncGenerator[Event, None]:
        await self._observer.round_begins(request, provider)
        started = time.perf_counter()
        first: float | None = None
        usage: Usage | None = None
        failure, finish, begun = "", "", len(self._spoken)
        # Words before a tool call and words after it are two paragraphs of one answer.
        gap = "\n\n" if self._spoken and not self._spoken[-1].isspace() else ""
        try:
            async with aclosing(self._model(provider).stream(request)) as events:
                async for event in events:
                    first = first or time.perf_counter() - started
                    if isinstance(event, Usage):
                        usage = event
                        continue
                    finish = event.reason if isinstance(event, Finish) else finish
                    if isinstance(event, Text):
                        event, gap = Text(gap + event.delta) if gap else event, ""
                        self._spoken += event.delta
                    yield event
            usage = usage or estimated_usage(request, self._spoken[begun:])
            yield usage
        except ModelFailed as error:
            failure = error.kind
            raise
        except BaseException:
            failure = STOPPED
            raise
        finally:
            # An answer that was cut short has cost something, too; a request that was refused has not.
            is_free = first is None and failure != STOPPED
            self._observer.round_done(
                Round(
                    provider=provider,
                    parameters=request.parameters,
                    usage=usage or (Usage() if is_free else estimated_usage(request, self._spoken[begun:])),
                    seconds=time.perf_counter() - started,
                    first_seconds=first,
                    failure=failure,
                    finish=finish,
                )
            )
