"""The connections to the Store of the bot in service: made when they are needed, and anew when its secrets change."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smarter_crds.runtime_config import ResourceName, RuntimeProblem
from smarter_crds.store import StoreType
from smarter_crds.store_config import StoreConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.access import COMMAND_SECONDS, CONNECT_SECONDS, access, files_of
from smarter_runtime.stores.faults import fault

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""How long a Store that failed is not asked again: nobody waits for it in vain meanwhile."""

LOOK_SECONDS = 10.0
"""How often an idle connection is tried, so that a person learns of a failure before a visitor does."""


@dataclass
class _Client:
    """A client of one state of config and secrets."""

    api: Any
    close: Callable[[Any], Awaitable[None]]
    users: int = 0
    is_retired: bool = False

    async def retire(self) -> None:
        self.is_retired = True
        await self.close_if_idle()

    async def close_if_idle(self) -> None:
        if self.is_retired and not self.users:
            with contextlib.suppress(Exception):
                await self.close(self.api)


@dataclass
class StoreConnections:
    """Lends the client of the Store in use."""

    files: SecretFiles
    schemas: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The tables that a PostgreSQL Store shall have, see `postgresql_client.Schemas`."""
    config: StoreConfig | None = None
    """The Store of the bot in service; None: it has none."""
    retry_seconds: float = RETRY_SECONDS
    problem: RuntimeProblem | None = None
    """Why the Store could not be used when it was asked last."""
    _client: _Client | None = None
    _made_from: object = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failed_at: float = float("-inf")
    _heard_at: float = float("-inf")

    async def use(self, config: StoreConfig | None) -> None:
        """Take another Store, or none, into use; whoever uses the one before may finish."""
        if config == self.config:
            return
        old, self._client, self.config = self._client, None, config
        self.problem, self._failed_at, self._made_from = None, float("-inf"), None
        if old:
            await old.retire()

    @contextlib.asynccontextmanager
    async def redis(self) -> "AsyncIterator[Redis]":
        """Lend a client of Redis.

        Raises:
            StoreUnavailable: when there is none, or when it fails while it is lent.
        """
        async with self._lent("Redis") as client:
            yield client

    @contextlib.asynccontextmanager
    async def postgresql(self) -> "AsyncIterator[asyncpg.Pool]":
        """Lend a pool of PostgreSQL.

        Raises:
            StoreUnavailable: when there is none, or when it fails while it is lent.
        """
        async with self._lent("PostgreSQL") as client:
            yield client

    async def look(self) -> None:
        """Try a Store that failed, or that nobody has asked for a while."""
        if self.config is None:
            return
        now = asyncio.get_running_loop().time()
        if self.problem is None and now < self._heard_at + LOOK_SECONDS:
            return
        with contextlib.suppress(StoreUnavailable):
            async with self._lent(self.config.type) as client:
                await _module(self.config).ping(client)

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.retire()

    @contextlib.asynccontextmanager
    async def _lent(self, kind: StoreType) -> AsyncIterator[Any]:
        config = self.config
        if config is None:
            raise StoreUnavailable("StoreMissing", "This chatbot has no Store.")
        if config.type != kind:
            # Of an answer that was begun before the bot had this Store.
            raise StoreUnavailable("StoreMissing", f"This chatbot has no {kind} any more.")
        loop = asyncio.get_running_loop()
        if self.problem is not None and loop.time() < self._failed_at + self.retry_seconds:
            raise StoreUnavailable(self.problem.reason, self.problem.message)
        try:
            async with asyncio.timeout(CONNECT_SECONDS + COMMAND_SECONDS), self._used(config) as client:
                yield client
        except (*_module(config).ERRORS, SecretMissing, OSError) as error:
            raise self._noted(config, error) from error
        self._heard_at = loop.time()
        if self.problem is not None and config is self.config:
            logger.info("store works again", extra={"store": config.name})
            self.problem = None

    @contextlib.asynccontextmanager
    async def _used(self, config: StoreConfig) -> AsyncIterator[Any]:
        client = await self._current(config)
        client.users += 1
        try:
            yield client.api
        finally:
            client.users -= 1
            await client.close_if_idle()

    async def _current(self, config: StoreConfig) -> _Client:
        made_from = (config, self.files.versions(files_of(config)))
        if self._client is not None and self._made_from == made_from:
            return self._client
        async with self._making:
            if self._client is not None and self._made_from == made_from:
                return self._client
            made = await self._made(config)
            old, self._client, self._made_from = self._client, made, made_from
            if old:
                await old.retire()
            return made

    async def _made(self, config: StoreConfig) -> _Client:
        module = _module(config)
        if config.type == "Redis":
            return _Client(module.connected(access(config, self.files)), module.close)
        return _Client(await module.connected(access(config, self.files), self.schemas), module.close)

    def _noted(self, config: StoreConfig, error: Exception) -> StoreUnavailable:
        """Remember a failure, for `/status` and for those who ask next."""
        reason, said = fault(error, _module(config).code(error))
        text = f"Store {config.name!r} at {config.host}:{config.port} cannot be used: {said}"
        if config is self.config:
            if self.problem is None:
                logger.error("store problem", extra={"store": config.name, "reason": reason, "text": text})
            resource = ResourceName(kind="Store", name=config.name)
            self.problem = RuntimeProblem(reason=reason, message=text, resource=resource)
            self._failed_at = asyncio.get_running_loop().time()
        return StoreUnavailable(reason, text)


def _module(config: StoreConfig) -> Any:
    # A client weighs up to 0.3 s and 10 MiB: a bot without a Store does without.
    if config.type == "Redis":
        from smarter_runtime.stores import redis_client

        return redis_client
    from smarter_runtime.stores import postgresql_client

    return postgresql_client
