"""One database in service: its connections, what is wrong with it, and what becomes of a query's errors."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from smarter_crds.sql_config import SqlConnectionConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tls import tls_files
from smarter_runtime.tools.sql.engine import Engine, ErrorKind, engine
from smarter_runtime.tools.sql.faults import UNAVAILABLE, DatabaseFault, QueryFailed, refusal, scrubbed
from smarter_runtime.tools.sql.pool import Pool
from smarter_runtime.tools.sql.query import Query, Rows
from smarter_runtime.tools.sql.relay import MAX_ANSWER_BYTES, Link

LOOK_SECONDS = 60.0
"""How often an idle database is looked at."""
FIRST_LOOK_AGAIN_SECONDS = 5.0
"""How soon after a failure; each time it takes twice as long, up to `LOOK_SECONDS`."""
POWER_SECONDS = 3600.0
"""How often it is asked what the role can do."""

logger = logging.getLogger(__name__)


class Database:
    """Asks a database, and knows what is wrong with it."""

    def __init__(self, config: SqlConnectionConfig, files: SecretFiles) -> None:
        self._config, self._files = config, files
        self._kind: Engine = engine(config.engine)
        self._pool: tuple[tuple[str, ...], Pool] | None = None
        self._errors: tuple[type[Exception], ...] = (DatabaseFault, SQLAlchemyError, OSError, *self._kind.errors)
        self._one_at_a_time = asyncio.Lock()
        self._power_due = 0.0
        self.fault: DatabaseFault | None = None
        self.power = ""
        """What the role can do that it should not; empty: nothing that is known."""

    async def ask(self, query: Query, arguments: Mapping[str, Any]) -> Rows:
        """Return what the query finds.

        Raises:
            QueryFailed: when it finds nothing out.
        """
        values, links = query.values(arguments), list[Link]()
        pool = await self._current_pool()

        def work(connection: Connection) -> Rows:
            link = pool.link(connection)
            if link is not None:
                link.new_query()
                links.append(link)
            return query.ask(connection, self._kind, values)

        try:
            rows = await pool.run(work)
        except self._errors as error:
            raise self._failed(error, has_exceeded=any(link.has_exceeded for link in links)) from error
        self._is_well()
        return rows

    async def look(self) -> None:
        """Find out whether the database answers, and from time to time what the role can do."""
        pool = await self._current_pool()
        now = asyncio.get_running_loop().time()
        try:
            power = await pool.run(self._kind.power if now >= self._power_due else _answers)
        except DatabaseFault as fault:
            self._is_ill(fault)
        except NoConnectionFree:
            # Others use all of them, so it answers.
            return
        except self._errors as error:
            self._is_ill(self._refusal(error))
        else:
            self._is_well()
            if now >= self._power_due:
                self.power, self._power_due = power, now + POWER_SECONDS

    async def watch(self) -> None:
        """Look again and again, for ever."""
        seconds = FIRST_LOOK_AGAIN_SECONDS
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.look()
            except TimeoutError:
                self._is_ill(DatabaseFault("Unreachable", f"{self._place} does not answer in time."))
            except Exception:
                logger.exception("cannot look at a database")
            seconds = min(seconds * 2, LOOK_SECONDS) if self.fault else FIRST_LOOK_AGAIN_SECONDS
            await asyncio.sleep(seconds if self.fault else LOOK_SECONDS)

    async def close(self) -> None:
        """Let go of the connections once the queries that use them are done."""
        if self._pool is not None:
            await self._pool[1].retire()
            self._pool = None

    @property
    def _place(self) -> str:
        return self._config.host or f"The file {self._config.database}"

    async def _current_pool(self) -> Pool:
        async with self._one_at_a_time:
            secrets = self._files.state(_secret_files(self._config))
            if self._pool is None or self._pool[0] != secrets:
                old, self._pool = self._pool, (secrets, Pool(self._config, self._files, self._kind))
                self._power_due = 0.0
                if old is not None:
                    await old[1].retire()
            return self._pool[1]

    def _is_well(self) -> None:
        if self.fault is not None:
            logger.info("database answers again", extra={"connection": self._config.name})
        self.fault = None

    def _is_ill(self, fault: DatabaseFault) -> None:
        if self.fault is None or str(self.fault) != str(fault):
            logger.warning(
                "database problem", extra={"connection": self._config.name, "reason": fault.reason, "text": str(fault)}
            )
        self.fault = fault

    def _failed(self, error: Exception, *, has_exceeded: bool) -> QueryFailed:
        if has_exceeded:
            return QueryFailed(f"The result is larger than {MAX_ANSWER_BYTES // 2**20} MiB; ask for less.")
        if isinstance(error, NoConnectionFree):
            return QueryFailed("The database of this tool is busy; try again later.")
        if isinstance(error, DatabaseFault):
            self._is_ill(error)
            return QueryFailed(UNAVAILABLE)
        cause, is_cut = _cause(error)
        if is_cut or self._kind.kind(cause) == "cut":
            self._is_ill(DatabaseFault("Unreachable", f"{self._place} has ended the connection."))
            return QueryFailed(UNAVAILABLE)
        return self._refused(cause)

    def _refused(self, cause: BaseException) -> QueryFailed:
        kind, code, said = self._kind.kind(cause), self._kind.code(cause), scrubbed(str(cause), ())
        if kind == "data":
            return QueryFailed(f"The database does not accept a value: {said}")
        logger.warning("query failed", extra={"connection": self._config.name, "code": code, "text": said})
        return QueryFailed(
            _TEXTS.get(kind, f"The query of this tool does not work ({code}); its owner must correct it.")
        )

    def _refusal(self, error: Exception) -> DatabaseFault:
        cause, _ = _cause(error)
        secrets = []
        if self._config.credentials:
            for file in (self._config.credentials.username_file, self._config.credentials.password_file):
                with contextlib.suppress(Exception):
                    secrets.append(self._files.text(file))
        return refusal(cause, self._kind, self._config, secrets)


_TEXTS: Mapping[ErrorKind | None, str] = {
    "timeout": "The database took too long to answer; ask for less.",
    "busy": "The database of this tool is busy; try again later.",
    "read_only": "The query of this tool tries to do more than read, which is not allowed; its owner must correct it.",
    "login": UNAVAILABLE,
    "database": UNAVAILABLE,
}


def _cause(error: Exception) -> tuple[BaseException, bool]:
    """Return the driver's own error, and whether the connection is lost."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig, error.connection_invalidated
    return error, isinstance(error, OSError)


def _answers(connection: Connection) -> str:
    connection.execute(text("select 1"))
    return ""


def _secret_files(config: SqlConnectionConfig) -> tuple[str, ...]:
    who = [config.credentials, config.proxy.credentials if config.proxy else None]
    files = [file for each in who if each for file in (each.username_file, each.password_file)]
    key = (config.ssh_tunnel.private_key_file,) if config.ssh_tunnel else ()
    return (*files, *key, *tls_files(config.tls))
