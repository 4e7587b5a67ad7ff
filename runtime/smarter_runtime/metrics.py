"""What the process tells Prometheus. Labels are bounded: names from the config and constants of this code."""

from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from smarter_crds.runtime_config import FUNCTION_TOOLS, RuntimeConfig
from smarter_runtime.conversation import Round
from smarter_runtime.events import ToolResult

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
_LAG_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class Metrics:
    """All series of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "smarter_requests_total", "Requests of the API by outcome.", ("status", "reason"), registry=self.registry
        )
        self.request_seconds = self._histogram(
            "smarter_request_duration_seconds", "Time from request to the last byte."
        )
        self.first_token_seconds = self._histogram(
            "smarter_time_to_first_token_seconds", "Time from request to the first piece of the answer."
        )
        self.in_flight = Gauge(
            "smarter_requests_in_flight", "Requests of the API being answered.", registry=self.registry
        )
        self.streams = Gauge("smarter_streams_active", "Answers being streamed.", registry=self.registry)
        self.limit_hits = Counter(
            "smarter_limit_hits_total", "Requests that met a limit.", ("limit", "mode"), registry=self.registry
        )
        self.cost = Counter(
            "smarter_cost_usd", "Cost of the models whose prices are known.", ("model",), registry=self.registry
        )
        self.tool_calls = Counter(
            "smarter_tool_calls_total",
            "Calls of plugins' and functions' tools.",
            ("plugin", "result"),
            registry=self.registry,
        )
        self.tool_seconds = self._histogram("smarter_tool_duration_seconds", "Time of a tool call.", ("plugin",))
        self.selected = Counter(
            "smarter_plugin_selected_total", "Answers in which a plugin took part.", ("plugin",), registry=self.registry
        )
        self.tokens = Histogram(
            "gen_ai_client_token_usage", "Tokens of one round.", ("gen_ai_token_type", *_MODEL), buckets=_TOKENS,
            registry=self.registry,
        )  # fmt: skip
        self.cached_tokens = Counter(
            "smarter_cached_input_tokens_total",
            "Input tokens that providers had in their caches.",
            ("model",),
            registry=self.registry,
        )
        self.model_seconds = self._histogram(
            "gen_ai_client_operation_duration_seconds", "Time of one round.", (*_MODEL, "error_type")
        )
        self.model_first_seconds = self._histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "Time to the first event of a round.", _MODEL
        )
        self.reloads = Counter(
            "smarter_config_loads_total", "Config files read, by outcome.", ("result",), registry=self.registry
        )
        self.usage_waiting = Gauge(
            "smarter_usage_records_waiting", "Usage records that could not be written yet.", registry=self.registry
        )
        self.usage_lost = Counter(
            "smarter_usage_records_lost_total", "Usage records that could never be written.", registry=self.registry
        )
        self.api_keys = Gauge("smarter_api_keys", "ApiKeys that open the bot.", registry=self.registry)
        self.lag_seconds = Histogram(
            "smarter_event_loop_lag_seconds", "How late timers fire.", buckets=_LAG_SECONDS, registry=self.registry
        )

    def _histogram(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
        return Histogram(name, text, labels, buckets=_SECONDS, registry=self.registry)

    def tool_done(self, result: ToolResult, seconds: float, config: RuntimeConfig) -> None:
        plugin = known_tool(result.call.name, config)
        self.tool_calls.labels(plugin, "error" if result.is_error else "ok").inc()
        self.tool_seconds.labels(plugin).observe(seconds)

    def round_done(self, finished: Round, config: RuntimeConfig, cost: Decimal | None) -> None:
        if cost is not None:
            self.cost.labels(finished.parameters.model).inc(float(cost))
        labels = ("chat", config.providers[finished.provider].type.lower(), finished.parameters.model)
        self.tokens.labels("input", *labels).observe(finished.usage.input_tokens)
        self.tokens.labels("output", *labels).observe(finished.usage.output_tokens)
        self.cached_tokens.labels(finished.parameters.model).inc(finished.usage.cached_tokens)
        self.model_seconds.labels(*labels, finished.failure).observe(finished.seconds)
        if finished.first_seconds is not None:
            self.model_first_seconds.labels(*labels).observe(finished.first_seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def known_tool(name: str, config: RuntimeConfig) -> str:
    """Return under which name a call is counted: the model chooses it, and what does not exist has one for all."""
    known = {each.name for each in config.plugins} | {FUNCTION_TOOLS[each] for each in config.functions}
    return name if name in known else "unknown"
