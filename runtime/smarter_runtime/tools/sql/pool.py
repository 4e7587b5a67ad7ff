"""Connections to one database with one state of its secrets."""

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy
from sqlalchemy import Connection, QueuePool
from sqlalchemy.ext.asyncio import create_async_engine

from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tls import tls_context
from smarter_runtime.tools.sql.engine import Access, Engine
from smarter_runtime.tools.sql.faults import DatabaseFault, connect_fault, refusal
from smarter_runtime.tools.sql.relay import HOST, Link
from smarter_runtime.tools.sql.routes import Route, credentials, route

RECYCLE_SECONDS = 1800
T = TypeVar("T")
Work = Callable[[Connection], T]


class Pool:
    """Lends connections. Retired, it closes when the last query that uses it is done."""

    def __init__(self, config: SqlConnectionConfig, files: SecretFiles, engine: Engine) -> None:
        self._config, self._files, self._kind = config, files, engine
        self._route: Route | None = None if engine.is_file else route(config, files)
        self._links: WeakKeyDictionary[object, Link] = WeakKeyDictionary()
        self._loop = asyncio.get_running_loop()
        self._errors: tuple[type[Exception], ...] = (*engine.errors, OSError)
        self._users = 0
        self._is_retired = False
        settings: dict[str, Any] = {
            "pool_size": config.pool_size,
            "max_overflow": config.pool_max_overflow,
            "pool_timeout": config.connect_timeout_seconds,
            "pool_pre_ping": not engine.is_file,
            "pool_recycle": RECYCLE_SECONDS,
            # Values of parameters are the visitors' business.
            "hide_parameters": True,
        }
        if engine.is_blocking:
            # Threads of its own: those of the loop are few, and others wait for them.
            self._threads = ThreadPoolExecutor(config.pool_size + config.pool_max_overflow, "database")
            self._blocking = sqlalchemy.create_engine(
                engine.url, creator=self._connect_blocking, poolclass=QueuePool, **settings
            )
        else:
            self._async = create_async_engine(engine.url, async_creator=self._connect, **settings)

    async def run(self, work: Work[T]) -> T:
        """Do `work` with a connection, in the loop or in a thread; whatever it has begun is rolled back."""
        self._users += 1
        try:
            if self._kind.is_blocking:
                return await self._loop.run_in_executor(self._threads, self._run_blocking, work)
            async with self._async.connect() as connection:
                return await connection.run_sync(work)
        finally:
            self._users -= 1
            if self._is_retired and not self._users:
                await self.close()

    def link(self, connection: Connection) -> Link | None:
        """Return what the connection's bytes pass through; None for a file."""
        return None if self._kind.is_file else self._links.get(connection.connection.driver_connection)

    async def retire(self) -> None:
        self._is_retired = True
        if not self._users:
            await self.close()

    async def close(self) -> None:
        if self._kind.is_blocking:
            self._blocking.dispose()
            self._threads.shutdown(wait=False, cancel_futures=True)
        else:
            await self._async.dispose()
        for link in list(self._links.values()):
            await link.close()
        if self._route is not None:
            await self._route.close()

    def _run_blocking(self, work: Work[T]) -> T:
        with self._blocking.connect() as connection:
            return work(connection)

    async def _connect(self) -> Any:
        access, link = await self._access()
        try:
            async with asyncio.timeout(self._config.connect_timeout_seconds):
                connection = await self._kind.connect(access)
        except self._errors as error:
            raise self._fault(error, access, link) from error
        return self._linked(connection, link)

    def _connect_blocking(self) -> Any:
        access, link = asyncio.run_coroutine_threadsafe(self._access(), self._loop).result()
        try:
            connection = self._kind.connect(access)
        except self._errors as error:
            raise self._fault(error, access, link) from error
        return self._linked(connection, link)

    def _linked(self, connection: Any, link: Link | None) -> Any:
        if link is not None:
            self._links[connection] = link
        return connection

    async def _access(self) -> tuple[Access, Link | None]:
        config = self._config
        try:
            username, password = credentials(config.credentials, self._files)
            tls = None if self._kind.is_file else tls_context(config.tls, config.host, self._files)
        except SecretMissing as error:
            raise DatabaseFault("SecretMissing", str(error)) from error
        link = Link(await self._route.open(), config.connect_timeout_seconds) if self._route else None
        access = Access(
            host=HOST,
            port=link.port if link else 0,
            server_name=config.host,
            database=config.database,
            username=username,
            password=password,
            tls=tls,
            ca_path=str(self._files.path(config.tls.ca_file)) if config.tls.ca_file else "",
            seconds=config.connect_timeout_seconds,
        )
        return access, link

    def _fault(self, error: Exception, access: Access, link: Link | None) -> DatabaseFault:
        if tls := _cause_in_tls(error):
            return connect_fault(tls, f"{self._config.host}:{self._config.port}")
        if self._kind.is_file or isinstance(error, self._kind.errors):
            return refusal(error, self._kind, self._config, (access.username, access.password))
        return connect_fault(error, f"{self._config.host}:{self._config.port}")


def _cause_in_tls(error: BaseException | None) -> ssl.SSLError | None:
    """Return the failure of encryption that a driver has put another error around."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error
