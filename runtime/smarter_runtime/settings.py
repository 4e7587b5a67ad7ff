"""What can be set about a runtime process from outside; everything about the bot itself is in its config."""

from pathlib import Path

from pydantic import Field, IPvAnyNetwork
from pydantic_settings import BaseSettings, SettingsConfigDict

from smarter_crds import runtime_config


class TracingSettings(BaseSettings):
    """Those of OpenTelemetry's variables that decide whether the bot is traced; the SDK itself reads all the others."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True)

    exporter_otlp_endpoint: str = ""
    """Address of a collector, which takes traces at `/v1/traces` below it. Neither this nor the next: nobody traces."""

    exporter_otlp_traces_endpoint: str = ""
    """Where exactly it takes traces; goes before the one above."""

    exporter_otlp_protocol: str = ""
    """`http/protobuf`, which is the default."""

    exporter_otlp_traces_protocol: str = ""
    """Goes before the one above."""

    traces_exporter: str = ""
    """`otlp`, which is the default, or `none`."""

    sdk_disabled: str = ""
    """`true`: nobody traces."""

    @property
    def is_asked_for(self) -> bool:
        has_collector = bool(self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint)
        return has_collector and self.sdk_disabled.lower() != "true" and self.traces_exporter.lower() != "none"

    @property
    def fault(self) -> str:
        """Say what is asked for and cannot be done; empty where there is nothing."""
        protocol = self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol
        if protocol not in ("", "http/protobuf"):
            return "`OTEL_EXPORTER_OTLP_PROTOCOL` must be `http/protobuf`; collectors take it at port 4318."
        if self.traces_exporter.lower() not in ("", "otlp"):
            return "`OTEL_TRACES_EXPORTER` must be `otlp` or `none`."
        return ""


class Settings(BaseSettings):
    """Read once at the start, from variables with the prefix `SMARTER_`."""

    model_config = SettingsConfigDict(env_prefix="SMARTER_", frozen=True)

    config_directory: Path = Path(runtime_config.CONFIG_DIRECTORY)
    """Folder with the files `config` and `good` (the mounted ConfigMap)."""

    secrets_directory: Path = Path(runtime_config.SECRETS_DIRECTORY)
    """Folder below which the config's `apiKeyFile` paths lie (the mounted Secrets)."""

    data_directory: Path | None = Path(runtime_config.DATA_DIRECTORY)
    """Folder of the embedded store, which survives the process there; unset or not writable: it is in memory."""

    embedded_max_bytes: int = Field(256 * 1024 * 1024, ge=1024 * 1024)
    """Size of the embedded store above which its oldest conversations are erased."""

    pod_uid: str = ""
    """UID of this pod (downward API), shown on `/status`."""

    host: str = "0.0.0.0"
    """Address to listen on; `::` in a cluster that has IPv6 only."""

    api_port: int = runtime_config.API_PORT
    """Port of the chat API, the chat page and the probes; 0 takes a free one."""

    status_port: int = runtime_config.STATUS_PORT
    """Port of `/status` and `/metrics`; 0 takes a free one."""

    log_level: str = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    max_streams: int | None = Field(None, ge=1)
    """Answers being made at the same time; one more is refused with 503. Unset: as the config says."""

    max_body_bytes: int = Field(512 * 1024, ge=1024)
    """Largest request body."""

    max_messages: int = Field(500, ge=1)
    """Most messages in one request."""

    max_history_characters: int = Field(200_000, ge=1000)
    """A longer conversation is shortened by its oldest turns before the model sees it."""

    conversation_wait_seconds: float = Field(5, ge=0)
    """How long a request to a stored conversation waits for the answer before it; then it is refused with 409."""

    session_seconds: int = 900
    """How long a visitor's session token is good."""

    heartbeat_seconds: float = Field(15, gt=0)
    """A stream that has nothing to say sends an empty piece this often, so that no proxy closes it."""

    body_seconds: float = Field(30, gt=0)
    """Longest time for a request body to arrive."""

    weather_url: str = "https://api.open-meteo.com/v1/forecast"
    """Where `CurrentWeather` asks, with the API of Open-Meteo; its public service is free for non-commercial use only.
    Empty, like the next one: there is no weather."""

    weather_geocoding_url: str = "https://geocoding-api.open-meteo.com/v1/search"
    """Where `CurrentWeather` looks up places."""

    weather_allowed_cidrs: tuple[IPvAnyNetwork, ...] = ()
    """Non-public networks in which the two may be, as a JSON list."""

    config_poll_seconds: float = Field(2, gt=0)
    """How often the config is looked at although the kernel tells of no change; 0.1 where it cannot (gVisor)."""

    tracing: TracingSettings = Field(default_factory=TracingSettings)
    """Read from the variables with the prefix `OTEL_`."""

    drain_seconds: float | None = None
    """Longest time for streams to finish after SIGTERM; unset: the config's `maxAnswerSeconds` + 20."""
