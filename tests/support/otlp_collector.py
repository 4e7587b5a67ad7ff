"""A collector of OpenTelemetry traces that really listens, speaks OTLP over HTTP, and keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True)
class Told:
    """One span."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    is_error: bool
    schema: str
    resource: dict[str, Any]
    ended_at: int


@dataclass
class Collector:
    """What has come in so far."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[Told] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.spans += _spans(ExportTraceServiceRequest.FromString(self.bodies[-1]))
        self._news.set()
        return web.Response(content_type="application/x-protobuf")

    async def until(self, is_enough: Callable[[list[Told]], object]) -> list[Told]:
        """Wait until what has come is enough."""
        async with asyncio.timeout(30):
            while not is_enough(self.spans):
                self._news.clear()
                await self._news.wait()
        return self.spans

    async def named(self, name: str, count: int = 1) -> list[Told]:
        """Wait for so many spans of a name."""

        def found(spans: list[Told]) -> list[Told]:
            return [each for each in spans if each.name == name]

        return found(await self.until(lambda spans: len(found(spans)) >= count))


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def _spans(request: ExportTraceServiceRequest) -> list[Told]:
    return [
        Told(
            name=span.name,
            kind=type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            is_error=span.status.code == 2,
            schema=scope.schema_url,
            resource=_values(resource.resource.attributes),
            ended_at=span.end_time_unix_nano,
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    which = value.WhichOneof("value")
    if which == "array_value":
        return tuple(_value(each) for each in value.array_value.values)
    return getattr(value, which) if which else None
