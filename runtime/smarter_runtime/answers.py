"""One answer on its way to the client: as a stream or as one document, bounded in time, counted and paid for."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from fastapi import Response
from starlette.types import Receive, Scope, Send

from smarter_crds.keys_config import KeyConfig
from smarter_crds.usage import UsageStatus
from smarter_runtime.answer_format import AnswerFormat, Outcome
from smarter_runtime.clients import is_done_for_client
from smarter_runtime.closing import Closing
from smarter_runtime.confirmations import Offer
from smarter_runtime.conversation import Conversation
from smarter_runtime.conversations.talk import Talk
from smarter_runtime.errors import ApiError, model_failure
from smarter_runtime.events import Confirm, Event, Finish, HandOver, ModelFailed, Text, ToolCall, Usage
from smarter_runtime.limits.limiter import Admitted
from smarter_runtime.meter import Meter
from smarter_runtime.plan import Plan
from smarter_runtime.services import Services
from smarter_runtime.sse_writer import SseWriter
from smarter_runtime.usage.tally import STATUS_OF, Tally

logger = logging.getLogger(__name__)
REASON = "smarter.reason"
HEADERS = "smarter.headers"
"""Where a request's scope holds headers that its response gets, whatever becomes of it."""
CLIENT_GONE = "client_gone"
# A client that reads nothing is not waited for when there is only an error left to tell.
LAST_WORDS_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Job:
    """An answer to be made, and the form in which it is wanted."""

    plan: Plan
    form: AnswerFormat
    stream: bool
    owner: str
    """Who may go on with the turn, if it ends for the client to run tools: the caller, as known to this bot."""
    admitted: Admitted
    """What the answer holds while it is made."""
    key: KeyConfig | None = None
    """The caller's ApiKey; None for visitors."""
    talk: Talk | None = None
    """The stored conversation that it belongs to."""


class AnswerResponse(Response):
    """Makes the answer while it is being sent; when the client goes away, the work ends."""

    def __init__(self, services: Services, job: Job) -> None:
        super().__init__()
        self._services = services
        self._plan = job.plan
        self._job = job
        self._asked: set[tuple[str, str]] = set()
        self._started = time.perf_counter()
        self._tally = _tally(job, services)
        self._closing = Closing(services.keeping.recorder, self._tally, job.plan, job.talk, services.now_ms)
        model = partial(services.providers.model, job.plan.bot.config)
        meter = Meter(services, job.plan.bot.config, job.key, self._tally)
        self._conversation = Conversation(job.plan, model, meter, services.retry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def for_client() -> None:
            if not await is_done_for_client(self._work(scope, send), receive):
                scope[REASON] = CLIENT_GONE

        await self._kept(for_client)

    async def make(self, scope: Scope, send: Send, heard: Callable[[], Awaitable[None]]) -> None:
        """Make the answer, whether anybody waits for it or not; its place is free once it was `heard`."""

        async def work() -> None:
            await self._work(scope, send)
            await heard()

        await self._kept(work)

    async def _kept(self, answering: Callable[[], Awaitable[None]]) -> None:
        """Answer and keep books; what ends an answer otherwise than by its own last words ends the books, too."""
        span = self._services.traces.tracer.enter("Internal", f"invoke_agent {self._plan.bot.config.bot.name}")
        try:
            with self._services.places.one(self._services.max_streams):
                self._closing.begin()
                await self._closed(answering)
        finally:
            self._services.limits.release(self._job.admitted)
            self._closing.tell(span)
            await self._closing.abandon()

    async def _closed(self, answering: Callable[[], Awaitable[None]]) -> None:
        try:
            await answering()
        except ApiError as error:
            await self._end("Failed", error.code)
            raise
        except Exception:
            await self._end("Failed", "internal_error")
            raise
        finally:
            await self._end("Stopped")

    async def _work(self, scope: Scope, send: Send) -> None:
        for plugin in self._plan.selected:
            self._services.metrics.selected.labels(plugin).inc()
        deadline = asyncio.get_running_loop().time() + self._plan.bot.config.limits.max_answer_seconds
        if self._job.stream:
            with self._services.metrics.streams.track_inprogress():
                await self._send_stream(scope, send, deadline)
        else:
            await self._send_document(scope, receive=_never, send=send, deadline=deadline)

    async def _send_document(self, scope: Scope, receive: Receive, send: Send, deadline: float) -> None:
        calls: tuple[ToolCall, ...] = ()
        offers: tuple[Offer, ...] = ()
        usage, finish = Usage(), Finish("stop")
        try:
            async with asyncio.timeout_at(deadline), aclosing(self._events()) as events:
                async for event in events:
                    if isinstance(event, HandOver):
                        calls = self._handed_over(event)
                    elif isinstance(event, Confirm):
                        offers += self._offers(event)
                    elif isinstance(event, Usage):
                        usage += event
                    elif isinstance(event, Finish):
                        finish = event
        except (ModelFailed, TimeoutError) as error:
            raise self._api_error(error) from error
        await self._end(STATUS_OF.get(finish.reason, "Complete"))
        outcome = Outcome(
            finish_reason=finish.reason,
            usage=usage,
            text=self._conversation.spoken,
            calls=calls,
            confirmations=offers,
        )
        document = self._job.form.document(outcome)
        await Response(document, media_type="application/json")(scope, receive, send)

    async def _send_stream(self, scope: Scope, send: Send, deadline: float) -> None:
        writer = SseWriter(send, self._job.form)
        heart = asyncio.create_task(writer.beat(self._services.settings.heartbeat_seconds))
        try:
            async with asyncio.timeout_at(deadline):
                await self._write(writer)
        except (ModelFailed, TimeoutError) as error:
            await self._fail(scope, writer, self._api_error(error))
        except Exception as error:
            if not writer.is_started:
                raise
            logger.exception("an answer failed")
            await self._fail(scope, writer, _internal(error))
        finally:
            heart.cancel()

    async def _write(self, writer: SseWriter) -> None:
        usage, finish = Usage(), Finish("stop")
        async with aclosing(self._events()) as events:
            async for event in events:
                if isinstance(event, Text):
                    await writer.text(event.delta)
                elif isinstance(event, HandOver):
                    await writer.calls(self._handed_over(event))
                elif isinstance(event, Confirm):
                    await writer.confirmations(self._offers(event))
                elif isinstance(event, Usage):
                    usage += event
                elif isinstance(event, Finish):
                    finish = event
        # Whoever has the last piece can rely on the answer being kept.
        await self._end(STATUS_OF.get(finish.reason, "Complete"))
        await writer.finish(finish.reason, usage)

    async def _fail(self, scope: Scope, writer: SseWriter, error: ApiError) -> None:
        """Tell what went wrong: by the status code as long as none is out, else inside the stream."""
        if not writer.is_started:
            raise error
        scope[REASON] = error.code
        await self._end("Failed", error.code)
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await writer.fail(error)
        except TimeoutError:
            scope[REASON] = "client_stalled"

    def _handed_over(self, event: HandOver) -> tuple[ToolCall, ...]:
        return self._services.unfinished.keep(event, self._job.owner)

    def _offers(self, event: Confirm) -> tuple[Offer, ...]:
        new = [call for call in event.calls if (call.name, call.arguments) not in self._asked]
        self._asked |= {(call.name, call.arguments) for call in new}
        offer = self._services.confirmations.offer
        return tuple(offer(call, self._plan.bot, self._job.owner) for call in new)

    async def _events(self) -> AsyncGenerator[Event | HandOver | Confirm, None]:
        metrics = self._services.metrics
        is_first = True
        async with aclosing(self._conversation.answer()) as events:
            async for event in events:
                if is_first and isinstance(event, Text):
                    metrics.first_token_seconds.observe(time.perf_counter() - self._started)
                    self._tally.text()
                    is_first = False
                yield event

    async def _end(self, status: UsageStatus, reason: str = "") -> None:
        await self._closing.end(status, reason, self._conversation.spoken)

    def _api_error(self, error: ModelFailed | TimeoutError) -> ApiError:
        if isinstance(error, TimeoutError):
            seconds = self._plan.bot.config.limits.max_answer_seconds
            return ApiError(504, "answer_timeout", f"The answer was not finished within {seconds} seconds.")
        extra = {"kind": error.kind, "detail": error.detail}
        logger.warning("the model failed", extra=extra)
        return model_failure(error)


def _tally(job: Job, services: Services) -> Tally:
    config = job.plan.bot.config
    return Tally(
        id=job.form.id,
        bot=config.bot,
        key=job.key.uid if job.key else "",
        client="" if job.key else job.plan.wishes.client_id,
        started_at=services.clock(),
        stream=job.stream,
        provider=config.model.provider,
        model=config.model.name,
    )


def _internal(error: Exception) -> ApiError:
    return ApiError(500, "internal_error", "Something went wrong inside the chatbot. Please try again.")


async def _never() -> dict[str, str]:
    raise RuntimeError("The request was read before.")
