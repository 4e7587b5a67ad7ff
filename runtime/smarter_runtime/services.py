"""The parts of a running process, made once and handed to the endpoints."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request

from smarter_runtime.access import Caller, Doors
from smarter_runtime.api_keys import ApiKeys
from smarter_runtime.background import Background
from smarter_runtime.bot import Bot
from smarter_runtime.call_ids import CallIds
from smarter_runtime.challenges import Challenges
from smarter_runtime.configs import Configs
from smarter_runtime.confirmations import Confirmations
from smarter_runtime.conversations.postgresql import SCHEMA as CONVERSATIONS_SCHEMA
from smarter_runtime.errors import NO_RETRY, ApiError
from smarter_runtime.fallbacks import RetryPolicy
from smarter_runtime.housekeeping import Housekeeping
from smarter_runtime.identity.identities import Identities
from smarter_runtime.keeping import Keeping, keeping
from smarter_runtime.limits import Places, utc_now
from smarter_runtime.limits.embedded_ledger import EmbeddedLedger
from smarter_runtime.limits.limiter import Limiter
from smarter_runtime.limits.postgresql_ledger import SCHEMA as LIMITS_SCHEMA
from smarter_runtime.limits.prefixes import Origin, origin
from smarter_runtime.metrics import Metrics
from smarter_runtime.models.providers import Providers
from smarter_runtime.page import Asset, assets
from smarter_runtime.recordings import Recordings
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.sessions import Sessions
from smarter_runtime.settings import Settings
from smarter_runtime.signing_key import SigningKey
from smarter_runtime.stores.connections import StoreConnections
from smarter_runtime.tools import Tool
from smarter_runtime.tools.connectors import Connector, Connectors
from smarter_runtime.tools.functions import Platform
from smarter_runtime.tracing.traces import Traces
from smarter_runtime.unfinished import UnfinishedTurns
from smarter_runtime.usage.postgresql import SCHEMA as USAGE_SCHEMA

SCHEMAS: dict[str, tuple[str, ...]] = {
    "limits": LIMITS_SCHEMA,
    "conversations": CONVERSATIONS_SCHEMA,
    "usage": USAGE_SCHEMA,
}
"""The tables of a PostgreSQL Store, by part."""

MAINTENANCE_RETRY_SECONDS = "60"
"""Nobody knows when the bot is back; a client that cannot help asking again shall do so rarely."""


@dataclass(kw_only=True)
class Services:
    """Everything that outlives a request."""

    settings: Settings
    configs: Configs
    api_keys: ApiKeys
    providers: Providers
    connectors: Connectors
    signing_key: SigningKey
    sessions: Sessions
    challenges: Challenges
    limits: Limiter
    places: Places
    unfinished: UnfinishedTurns
    confirmations: Confirmations
    recordings: Recordings
    stores: StoreConnections
    metrics: Metrics
    traces: Traces
    keeping: Keeping
    housekeeping: Housekeeping
    identities: Identities = field(default_factory=Identities)
    background: Background = field(default_factory=Background)
    clock: Callable[[], datetime] = utc_now
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    assets: dict[str, Asset] = field(default_factory=assets)
    is_draining: bool = False

    def now_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return int(self.clock().timestamp() * 1000)

    async def close(self) -> None:
        """Finish what is kept, and let go of everything."""
        await self.background.close()
        await self.identities.close()
        await self.limits.flush()
        await self.keeping.close()
        await self.providers.close()
        await self.connectors.close()
        await self.stores.close()
        await self.traces.tracer.close()

    def bot(self) -> Bot:
        """Return the bot in service.

        Raises:
            ApiError: while there is none.
        """
        if self.configs.bot is None:
            raise ApiError(503, "not_ready", "This chatbot has no configuration yet.", headers={"Retry-After": "2"})
        return self.configs.bot

    def answering_bot(self) -> Bot:
        """Return the bot in service if it gives answers.

        Raises:
            ApiError: while there is none, or while it is away.
        """
        bot = self.bot()
        if bot.config.maintenance is not None:
            headers = {**NO_RETRY, "Retry-After": MAINTENANCE_RETRY_SECONDS}
            raise ApiError(503, "maintenance", bot.config.maintenance.message, headers=headers)
        return bot

    async def caller(self, request: Request, bot: Bot) -> Caller:
        return await Doors(self.api_keys, self.sessions, self.identities).caller(request.headers, bot)

    def origin(self, request: Request, bot: Bot) -> Origin:
        """Return the networks that a request is charged to."""
        peer = request.client.host if request.client else ""
        return origin(peer, request.headers.getlist("x-forwarded-for"), bot.proxies)

    @property
    def max_streams(self) -> int:
        """Answers that may be made here at the same time."""
        bot = self.configs.bot
        return self.settings.max_streams or (bot.config.serving.max_streams if bot else 1)


def services(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Services:
    connectors = _connectors(settings)
    signing_key = SigningKey(settings.secrets_directory)
    metrics, background = Metrics(), Background()
    stores = StoreConnections(SecretFiles(settings.secrets_directory), schemas=SCHEMAS)
    kept = keeping(settings.data_directory, metrics, stores)
    limits = Limiter(stores, metrics, clock, background, EmbeddedLedger(kept.embedded))
    return Services(
        settings=settings,
        configs=Configs(settings.config_directory, clock, _platform(settings, clock, connectors)),
        api_keys=ApiKeys(settings.config_directory, clock),
        providers=Providers(settings.secrets_directory),
        connectors=connectors,
        signing_key=signing_key,
        sessions=Sessions(settings.session_seconds, signing_key),
        challenges=Challenges(signing_key, clock),
        limits=limits,
        places=Places(),
        unfinished=UnfinishedTurns(CallIds(signing_key), clock),
        confirmations=Confirmations(signing_key, clock, limits),
        recordings=Recordings(clock),
        stores=stores,
        background=background,
        metrics=metrics,
        traces=Traces(settings.tracing, settings.pod_uid),
        keeping=kept,
        housekeeping=Housekeeping(kept, clock, settings.embedded_max_bytes),
        clock=clock,
    )


def _connectors(settings: Settings) -> Connectors:
    def api() -> Connector:
        from smarter_runtime.tools.api.connector import ApiConnector

        return ApiConnector(settings.secrets_directory)

    def sql() -> Connector:
        from smarter_runtime.tools.sql.connector import SqlConnector

        return SqlConnector(settings.secrets_directory)

    return Connectors({"Api": api, "Sql": sql})


def _platform(settings: Settings, clock: Callable[[], datetime], connectors: Connectors) -> Platform:
    def weather(name: str, language: str) -> Tool:
        # An HTTP client weighs 0.2 s and 8 MiB: a bot that asks for no weather does without.
        from smarter_runtime.tools.weather import WeatherService, get_current_weather

        service = WeatherService(
            forecast_url=settings.weather_url,
            geocoding_url=settings.weather_geocoding_url,
            allowed_cidrs=tuple(str(network) for network in settings.weather_allowed_cidrs),
        )
        return get_current_weather(name, service, language)

    has_weather = settings.weather_url and settings.weather_geocoding_url
    return Platform(clock=clock, weather=weather if has_weather else None, connectors=connectors)


def of(request: Request) -> Services:
    """Return the services of the application that got `request`."""
    found: Services = request.app.state.services
    return found
