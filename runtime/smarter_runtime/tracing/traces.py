"""The tracer of the process: made when the first config says which bot it is, if a collector is named."""

import logging

from smarter_crds.runtime_config import BotIdentity, RuntimeProblem
from smarter_runtime.settings import TracingSettings
from smarter_runtime.tracing import Tracer, Untraced

logger = logging.getLogger(__name__)


class Traces:
    """Holds the tracer in use."""

    def __init__(self, settings: TracingSettings, pod_uid: str) -> None:
        self._settings = settings
        self._pod_uid = pod_uid
        self._is_started = False
        self.tracer: Tracer = Untraced()
        self.problems: tuple[RuntimeProblem, ...] = ()

    def start(self, bot: BotIdentity) -> None:
        """Begin to trace, if that is asked for and can be done; once for the process."""
        if self._is_started or not self._settings.is_asked_for:
            return
        self._is_started = True
        fault = self._settings.fault or self._make(bot)
        if fault:
            self.problems = (RuntimeProblem(reason="TracingUnavailable", message=fault),)
            logger.error("traces are not sent", extra={"text": fault})
        else:
            logger.info("traces are sent")

    def _make(self, bot: BotIdentity) -> str:
        """Make the tracer; returns why that is not possible."""
        try:
            # A quarter of a second and 15 MiB: for bots that are traced.
            from smarter_runtime.tracing.otel import OtelTracer

            self.tracer = OtelTracer(bot, self._pod_uid)
        except ImportError:
            return "This runtime lacks the SDK of OpenTelemetry; install `smarter-runtime` with all it requires."
        except (ValueError, OSError) as error:
            # Not its text: what cannot be read may hold a key.
            said = f"The variables `OTEL_…` cannot be used ({type(error).__name__})"
            return f"{said}; correct them in `spec.podTemplate.env`."
        return ""
