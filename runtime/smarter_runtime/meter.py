"""What happens in an answer, charged to its account, counted, and told as spans."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from smarter_crds.keys_config import KeyConfig
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.conversation import STOPPED, Round, ToolDone
from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.limits.purse import Purse
from smarter_runtime.metrics import known_tool
from smarter_runtime.models import ModelRequest
from smarter_runtime.services import Services
from smarter_runtime.tracing import Span
from smarter_runtime.tracing.attributes import of_round, of_tool
from smarter_runtime.usage.tally import Tally

TOOL_FAILED = "tool_error"


class Meter:
    """Charges what an answer costs and counts what happens in it."""

    def __init__(self, services: Services, config: RuntimeConfig, key: KeyConfig | None, tally: Tally) -> None:
        self._services = services
        self._tracer = services.traces.tracer
        self._config = config
        self._key = key
        self._tally = tally
        self._purse = Purse(services.limits, config, key)
        self._round: Span | None = None

    async def round_begins(self, request: ModelRequest, provider: str) -> None:
        await self._purse.reserve(request, provider)
        self._round = self._tracer.begin("Client", f"chat {request.parameters.model}")

    def round_done(self, finished: Round) -> None:
        cost = self._purse.settle(finished.usage, finished.provider, finished.parameters.model)
        self._services.limits.charge(self._config, self._key, finished.usage.total_tokens)
        self._services.metrics.round_done(finished, self._config, cost)
        self._tally.round_done(finished, cost)
        if self._round:
            self._round.end(lambda: of_round(finished, self._config), error=finished.failure)

    @contextmanager
    def tool(self, call: ToolCall) -> Iterator[ToolDone]:
        name, started, error = known_tool(call.name, self._config), time.perf_counter(), STOPPED
        span = self._tracer.begin("Internal", f"execute_tool {name}")

        def done(result: ToolResult) -> None:
            nonlocal error
            error = TOOL_FAILED if result.is_error else ""
            # What waits for the person's word was not called.
            if result.waiting is None:
                self._services.metrics.tool_done(result, time.perf_counter() - started, self._config)
                self._tally.tool_done(name, is_error=result.is_error)

        try:
            yield done
        finally:
            span.end(lambda: of_tool(call, name, self._config), error=error)
