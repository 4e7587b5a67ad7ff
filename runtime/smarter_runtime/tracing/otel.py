"""Spans by OpenTelemetry's SDK, which heeds the standard variables `OTEL_…`, sent as OTLP over HTTP beside the loop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind as OtelKind
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from smarter_crds.runtime_config import BotIdentity
from smarter_runtime import tracing
from smarter_runtime.tracing import Attributes, SpanKind

CLOSE_SECONDS = 2.0
_SCHEMA = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
_KINDS: Mapping[SpanKind, OtelKind] = {
    "Server": OtelKind.SERVER,
    "Internal": OtelKind.INTERNAL,
    "Client": OtelKind.CLIENT,
}
_NONE = Context()
# Ours and not the library's: in a generator that is left half-way, its own cannot be put back.
_entered: ContextVar[Context] = ContextVar("entered", default=_NONE)
# Baggage is what others say about a visitor: it goes no further.
_propagator = TraceContextTextMapPropagator()


class OtelSpan:
    """Wraps the library's."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, attributes: Callable[[], Attributes], *, name: str = "", error: str = "") -> None:
        if name:
            self._span.update_name(name)
        self._span.set_attributes(dict(attributes()))
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class OtelTracer:
    """One for the process; a thread of the library's sends what has ended, and drops what it cannot get rid of."""

    def __init__(self, bot: BotIdentity, pod_uid: str) -> None:
        self._provider = TracerProvider(resource=_resource(bot, pod_uid), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.close_seconds = CLOSE_SECONDS
        self.closing: threading.Thread | None = None
        """What sends the last spans, for as long as the process lives."""
        self._tracer = self._provider.get_tracer("smarter_runtime", schema_url=_SCHEMA)

    def enter(self, kind: SpanKind, name: str, caller: Mapping[str, str] | None = None) -> OtelSpan:
        parent = _entered.get() if caller is None else _propagator.extract(caller, _NONE)
        span = self._begun(kind, name, parent)
        _entered.set(trace.set_span_in_context(span, _NONE))
        tracing.trace_id.set(trace.format_trace_id(span.get_span_context().trace_id))
        return OtelSpan(span)

    def begin(self, kind: SpanKind, name: str) -> OtelSpan:
        return OtelSpan(self._begun(kind, name, _entered.get()))

    async def close(self) -> None:
        """Give the library a moment: it would wait much longer for a collector that is away."""
        loop, is_closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(is_closed.set)

        self.closing = threading.Thread(target=shut_down, daemon=True)
        self.closing.start()
        try:
            await asyncio.wait_for(is_closed.wait(), self.close_seconds)
        except TimeoutError:
            return

    def _begun(self, kind: SpanKind, name: str, parent: Context) -> trace.Span:
        span = self._tracer.start_span(name, parent, _KINDS[kind])
        headers: dict[str, str] = {}
        _propagator.inject(headers, trace.set_span_in_context(span, _NONE))
        tracing.outgoing.set(headers)
        return span


def _resource(bot: BotIdentity, pod_uid: str) -> Resource:
    """Return who tells: the bot, as far as the variables do not say otherwise."""
    said = OTELResourceDetector().detect().attributes
    own = {
        "service.name": bot.name,
        "service.namespace": bot.namespace,
        "service.instance.id": pod_uid,
        "k8s.namespace.name": bot.namespace,
        "k8s.pod.uid": pod_uid,
        "gen_ai.agent.id": bot.uid,
        "gen_ai.agent.name": bot.name,
    }
    return Resource.create({name: value for name, value in own.items() if value and name not in said})
