"""Tools that ask a database, as a bot has them, for tests of every kind of database."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.runtime_config import (
    AppConfig,
    BotIdentity,
    LimitsConfig,
    ModelConfig,
    PluginConfig,
    ProviderConfig,
    RuntimeConfig,
    RuntimeProblem,
    SelectorConfig,
)
from smarter_crds.sql_config import SqlConfig, SqlConnectionConfig
from smarter_crds.tool_config import ParameterConfig, ParameterTypeName
from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.tools import NOBODY, Claims, Toolbox
from smarter_runtime.tools.sql.connector import SqlConnector
from support.mariadb import MariaDB
from support.postgresql import PostgreSQL, Role

CREDENTIALS = CredentialsConfig(username_file="username", password_file="password")
LOOPBACK = ("127.0.0.0/8", "::1/128")


def written(secrets: Path, role: Role) -> None:
    """Write user and password where the runtime looks for them."""
    (secrets / "username").write_text(role.username, encoding="utf-8")
    (secrets / "password").write_text(role.password, encoding="utf-8")


def connection(server: PostgreSQL | MariaDB, role: Role, folder: Path, **changes: Any) -> SqlConnectionConfig:
    """Return how `role` reaches the server over verified TLS; what it needs of Secrets is written to `folder`."""
    written(folder, role)
    (folder / "ca").write_text(server.authority.read_text())
    whole = {
        "name": "shop",
        "engine": "MariaDB" if isinstance(server, MariaDB) else "PostgreSQL",
        "host": "localhost",
        "port": server.port,
        "database": role.database,
        "credentials": CREDENTIALS,
        "tls": TlsConfig(ca_file="ca"),
        "allowed_cidrs": LOOPBACK,
    }
    return SqlConnectionConfig.model_validate(whole | changes)


def query(
    name: str,
    text: str,
    parameters: Mapping[str, ParameterTypeName] | None = None,
    claims: Mapping[str, str] | None = None,
    *,
    required: bool = True,
    max_characters: int = 16000,
    **limits: int,
) -> PluginConfig:
    """Return a plugin that asks; `claims` are parameters with the claims that give them."""
    given = [
        ParameterConfig(name=each, type=kind, description=f"The {each}.", required=required)
        for each, kind in (parameters or {}).items()
    ]
    taken = [ParameterConfig(name=each, type="String", claim=claim) for each, claim in (claims or {}).items()]
    return PluginConfig(
        name=name,
        type="Sql",
        hash="0",
        description=f"Asks {name}.",
        selector=SelectorConfig(directive="Always"),
        result_max_characters=max_characters,
        sql=SqlConfig(connection="shop", query=text, **limits),
        parameters=(*given, *taken),
    )


class Tools:
    """The tools of one bot."""

    def __init__(self, connector: SqlConnector, config: RuntimeConfig) -> None:
        self._connector, self._config = connector, config
        self._names = frozenset(plugin.name for plugin in config.plugins)
        self._box = Toolbox([connector.tool(plugin, config) for plugin in config.plugins])

    async def call(self, name: str, claims: Claims = NOBODY, /, **arguments: Any) -> ToolResult:
        return await self._box.call(ToolCall("1", name, json.dumps(arguments)), self._names, claims)

    async def rows(self, name: str, claims: Claims = NOBODY, /, **arguments: Any) -> list[dict[str, Any]]:
        result = await self.call(name, claims, **arguments)
        assert not result.is_error, result.content
        found: list[dict[str, Any]] = json.loads(result.content)["rows"]
        return found

    async def failure(self, name: str, claims: Claims = NOBODY, /, **arguments: Any) -> str:
        result = await self.call(name, claims, **arguments)
        assert result.is_error, result.content
        return result.content

    def problems(self) -> tuple[RuntimeProblem, ...]:
        return self._connector.problems(self._config)

    async def look(self) -> tuple[RuntimeProblem, ...]:
        """Let the runtime look at the database now, and return what it then reports."""
        await self._connector.warm(self._config)
        await self._connector.look()
        return self.problems()


@asynccontextmanager
async def sql_tools(connection: SqlConnectionConfig, secrets: Path, *plugins: PluginConfig) -> AsyncIterator[Tools]:
    config = RuntimeConfig(
        bot=BotIdentity(name="support", namespace="acme", uid="uid"),
        language="en",
        time_zone="UTC",
        system_prompt="",
        model=ModelConfig(provider="main", name="demo"),
        providers={"main": ProviderConfig(name="main", type="Demo")},
        plugins=plugins,
        sql_connections={"shop": connection},
        app=AppConfig(title="Acme", assistant_name="Ada", disclosure="AI"),
        limits=LimitsConfig(),
    )
    connector = SqlConnector(secrets)
    try:
        yield Tools(connector, config)
    finally:
        await connector.close()
