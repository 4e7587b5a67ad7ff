"""The tools of plugins of type Sql: which database each asks, and which databases are kept when a config changes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smarter_crds.addresses import networks
from smarter_crds.compile.sql_statement import refusal
from smarter_crds.runtime_config import PluginConfig, ResourceName, RuntimeConfig, RuntimeProblem
from smarter_crds.sql_config import SqlConfig, SqlConnectionConfig
from smarter_runtime.events import ToolOffer
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools import Arguments, Tool, ToolFailed
from smarter_runtime.tools.connectors import Unservable
from smarter_runtime.tools.declared import Declared

if TYPE_CHECKING:
    from smarter_runtime.tools.sql.database import Database
    from smarter_runtime.tools.sql.query import Query

RESERVE_SECONDS = 2
"""What a call may take beyond connecting and asking; both have limits of their own."""


@dataclass
class _Kept:
    """A database that the bot in service uses."""

    loading: "asyncio.Task[Database]"
    watching: asyncio.Task[None]

    @property
    def database(self) -> "Database | None":
        """None while libraries are loaded."""
        is_loaded = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if is_loaded else None


class SqlConnector:
    """Makes the tools that ask a database. What SQLAlchemy and drivers weigh is paid when the first is dialled."""

    def __init__(self, secrets_directory: Path) -> None:
        self._files = SecretFiles(secrets_directory)
        self._kept: dict[SqlConnectionConfig, _Kept] = {}

    def tool(self, plugin: PluginConfig, config: RuntimeConfig) -> Tool:
        sql, connection = _parts(plugin, config)
        try:
            declared = Declared(plugin.parameters)
        except ValueError as error:
            raise Unservable(f"Plugin {plugin.name!r} has a value that is not of its parameter's type.") from error
        ready = _Ready(sql, connection, plugin)

        async def run(arguments: Arguments) -> str:
            return await self._run(ready, arguments)

        return Tool(
            offer=ToolOffer(plugin.name, plugin.description, declared.schema),
            check=declared.check,
            run=run,
            max_characters=plugin.result_max_characters,
            timeout_seconds=connection.connect_timeout_seconds + sql.timeout_seconds + RESERVE_SECONDS,
            is_for=declared.is_for,
            completed=declared.completed,
        )

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        found = []
        for connection in config.sql_connections.values():
            kept = self._kept.get(connection)
            database = kept.database if kept else None
            if database and database.fault:
                found.append(_problem(connection, database.fault.reason, str(database.fault)))
            elif database and database.power:
                text = (
                    f"The role {database.power}, and shall do nothing but read what the plugins ask for; see "
                    "docs/plugins-sql.md for the role to make."
                )
                found.append(_problem(connection, "RoleTooPowerful", text))
        return tuple(found)

    async def warm(self, config: RuntimeConfig) -> None:
        wanted = set(config.sql_connections.values())
        for connection in wanted:
            self._keep(connection)
        for connection in set(self._kept) - wanted:
            await self._drop(connection)

    async def look(self) -> None:
        """Look at all databases now, and do not wait until it is time."""
        for kept in list(self._kept.values()):
            await (await asyncio.shield(kept.loading)).look()

    async def close(self) -> None:
        for connection in list(self._kept):
            await self._drop(connection)

    async def _run(self, ready: "_Ready", arguments: Arguments) -> str:
        database = await asyncio.shield(self._keep(ready.connection).loading)
        from smarter_runtime.tools.sql.faults import QueryFailed
        from smarter_runtime.tools.sql.rows import as_text

        try:
            rows = await database.ask(ready.query(), arguments)
        except QueryFailed as error:
            raise ToolFailed(str(error)) from error
        return as_text(rows, ready.plugin.result_max_characters)

    def _keep(self, connection: SqlConnectionConfig) -> _Kept:
        if connection not in self._kept:
            loading = asyncio.create_task(asyncio.to_thread(_loaded, connection, self._files))
            self._kept[connection] = _Kept(loading, asyncio.create_task(_watched(loading)))
        return self._kept[connection]

    async def _drop(self, connection: SqlConnectionConfig) -> None:
        kept = self._kept.pop(connection)
        kept.watching.cancel()
        await asyncio.wait([kept.watching, kept.loading])
        if kept.database:
            await kept.database.close()


@dataclass
class _Ready:
    """What a tool asks; the query is made ready when it is asked for the first time."""

    sql: SqlConfig
    connection: SqlConnectionConfig
    plugin: PluginConfig
    _query: "Query | None" = None

    def query(self) -> "Query":
        from smarter_runtime.tools.sql.query import Query

        if self._query is None:
            self._query = Query(self.sql, self.connection.engine, self.plugin.parameters)
        return self._query


def _parts(plugin: PluginConfig, config: RuntimeConfig) -> tuple[SqlConfig, SqlConnectionConfig]:
    sql = plugin.sql
    connection = config.sql_connections.get(sql.connection) if sql else None
    if sql is None or connection is None:
        raise Unservable(f"Plugin {plugin.name!r} names no database that the config has.")
    refused = refusal(sql.query, connection.engine)
    if refused:
        raise Unservable(f"Plugin {plugin.name!r} has a query that is not sent: it {refused}")
    try:
        networks(connection.allowed_cidrs)
    except ValueError as error:
        raise Unservable(
            f"SqlConnection {connection.name!r} has an entry in `allowedCIDRs` that is no network."
        ) from error
    return sql, connection


async def _watched(loading: "asyncio.Task[Database]") -> None:
    database = await asyncio.shield(loading)
    await database.watch()


def _loaded(connection: SqlConnectionConfig, files: SecretFiles) -> "Database":
    from smarter_runtime.tools.sql.database import Database

    return Database(connection, files)


def _problem(connection: SqlConnectionConfig, reason: str, text: str) -> RuntimeProblem:
    resource = ResourceName(kind="SqlConnection", name=connection.name)
    return RuntimeProblem(reason=reason, message=f"SqlConnection {connection.name!r}: {text}", resource=resource)
