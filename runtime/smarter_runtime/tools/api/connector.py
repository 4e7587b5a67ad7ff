"""The tools of Api plugins, and the clients that they share."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from jmespath.exceptions import JMESPathError

from smarter_crds.addresses import networks
from smarter_crds.api_config import ApiConfig, ApiConnectionConfig
from smarter_crds.runtime_config import PluginConfig, ResourceName, RuntimeConfig, RuntimeProblem
from smarter_runtime.events import ToolOffer
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tools import Arguments, Tool, ToolFailed
from smarter_runtime.tools.api.client import ApiClient
from smarter_runtime.tools.api.faults import UNAVAILABLE, UNKNOWN_OUTCOME, ApiFault, TooLarge, scrubbed
from smarter_runtime.tools.api.result import Result
from smarter_runtime.tools.api.template import request, undeclared
from smarter_runtime.tools.connectors import Unservable
from smarter_runtime.tools.declared import Declared

SPARE_SECONDS = 1


class ApiConnector:
    """Makes the tools; clients are kept over config changes that do not concern them."""

    def __init__(self, secrets_directory: Path) -> None:
        self._files = SecretFiles(secrets_directory)
        self._clients: dict[ApiConnectionConfig, ApiClient] = {}

    def tool(self, plugin: PluginConfig, config: RuntimeConfig) -> Tool:
        """Return the tool of `plugin`.

        Raises:
            Unservable: when the config lacks something.
        """
        api, connection = _parts(plugin, config)
        try:
            declared, result = Declared(plugin.parameters), Result(api.result)
            networks(connection.allowed_cidrs)
        except (ValueError, JMESPathError) as error:
            raise Unservable(f"Plugin {plugin.name!r} has a value that cannot be read: {error}.") from error
        if unknown := undeclared(api, frozenset(each.name for each in plugin.parameters)):
            raise Unservable(f"Plugin {plugin.name!r} uses parameters that it does not declare: {list(unknown)}.")
        is_write = plugin.side_effects == "Write"

        async def run(arguments: Arguments) -> str:
            return await _Call(self._client(connection), api, result, is_write).text(arguments)

        return Tool(
            offer=ToolOffer(plugin.name, plugin.description, declared.schema),
            check=declared.check,
            run=run,
            max_characters=plugin.result_max_characters,
            timeout_seconds=api.timeout_seconds + SPARE_SECONDS,
            is_for=declared.is_for,
            completed=declared.completed,
        )

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        return tuple(problem for each in config.api_connections.values() for problem in self._problems_of(each))

    async def warm(self, config: RuntimeConfig) -> None:
        wanted = set(config.api_connections.values())
        for unwanted in self._clients.keys() - wanted:
            await self._clients.pop(unwanted).retire()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def _client(self, connection: ApiConnectionConfig) -> ApiClient:
        if connection not in self._clients:
            self._clients[connection] = ApiClient(connection, self._files)
        return self._clients[connection]

    def _problems_of(self, connection: ApiConnectionConfig) -> Iterator[RuntimeProblem]:
        missing = [fault for file in _secret_files(connection) if (fault := self._missing(file))]
        for fault in missing:
            yield _problem(connection, "SecretMissing", fault)
        client = self._clients.get(connection)
        # What a missing Secret has led to need not be told beside it.
        if client is not None and client.fault is not None and not missing:
            yield _problem(connection, client.fault.reason, str(client.fault))

    def _missing(self, file: str) -> str:
        try:
            self._files.text(file)
        except SecretMissing as error:
            return str(error)
        return ""


class _Call:
    """One call of a tool."""

    def __init__(self, client: ApiClient, api: ApiConfig, result: Result, is_write: bool) -> None:
        self._client, self._api, self._result, self._is_write = client, api, result, is_write

    async def text(self, arguments: Arguments) -> str:
        """Return what the model gets; what the connection keeps secret is not in it."""
        try:
            return scrubbed(await self._text(arguments), self._client.secrets)
        except ToolFailed as error:
            raise ToolFailed(scrubbed(str(error), self._client.secrets)) from error

    async def _text(self, arguments: Arguments) -> str:
        made = request(self._api, arguments)
        deadline = asyncio.get_running_loop().time() + self._api.timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._client.call(made, deadline, may_repeat=not self._is_write)
                return await self._result.text(answer)
        except TimeoutError as error:
            self._client.waited_in_vain(self._api.timeout_seconds)
            late = f"The API did not answer within {self._api.timeout_seconds} seconds."
            raise ToolFailed(UNKNOWN_OUTCOME if self._is_write else late) from error
        except TooLarge as error:
            raise ToolFailed("The API's answer is too large; ask for less.") from error
        except ApiFault as fault:
            is_uncertain = self._is_write and fault.may_have_arrived
            raise ToolFailed(UNKNOWN_OUTCOME if is_uncertain else UNAVAILABLE) from fault


def _parts(plugin: PluginConfig, config: RuntimeConfig) -> tuple[ApiConfig, ApiConnectionConfig]:
    if plugin.api is None:
        raise Unservable(f"Plugin {plugin.name!r} is of type {plugin.type!r} and has no `api` member.")
    if plugin.api.connection not in config.api_connections:
        name = plugin.api.connection
        raise Unservable(f"Plugin {plugin.name!r} names connection {name!r}, which `apiConnections` does not have.")
    return plugin.api, config.api_connections[plugin.api.connection]


def _secret_files(connection: ApiConnectionConfig) -> Iterator[str]:
    credentials = connection.proxy.credentials if connection.proxy else None
    proxy = (credentials.username_file, credentials.password_file) if credentials else ()
    for file in (connection.auth.username_file, connection.auth.secret_file, connection.ca_file, *proxy):
        if file:
            yield file


def _problem(connection: ApiConnectionConfig, reason: str, fault: str) -> RuntimeProblem:
    resource = ResourceName(kind="ApiConnection", name=connection.name)
    return RuntimeProblem(reason=reason, message=f"ApiConnection {connection.name!r}: {fault}", resource=resource)
