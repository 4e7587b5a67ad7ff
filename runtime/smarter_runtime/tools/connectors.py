"""The tools that ask others: who makes them, and what is kept of connections when a config changes."""

from collections.abc import Callable, Mapping
from typing import Protocol

from smarter_crds.runtime_config import PluginConfig, RuntimeConfig, RuntimeProblem
from smarter_runtime.tools import Tool


class Unservable(Exception):
    """The plugin's config cannot be served; the message says why."""


class Connector(Protocol):
    """Makes the tools of one type of plugin, and outlives the configs that they are in."""

    def tool(self, plugin: PluginConfig, config: RuntimeConfig) -> Tool:
        """Return the tool; called in a thread, and dials nobody.

        Raises:
            Unservable: when the config lacks something.
        """
        ...

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        """Return what a person should know, attributed to the connection that it is about."""
        ...

    async def warm(self, config: RuntimeConfig) -> None:
        """Get ready for a config that is now in service, and let go of what it does not use."""
        ...

    async def close(self) -> None: ...


class Connectors:
    """The connectors by type of plugin; each is made, and its libraries are loaded, by the first bot that needs it."""

    def __init__(self, makers: Mapping[str, Callable[[], Connector]]) -> None:
        self._makers = makers
        self._made: dict[str, Connector] = {}

    def tool(self, plugin: PluginConfig, config: RuntimeConfig) -> Tool:
        if plugin.type not in self._makers:
            raise Unservable(f"Plugin {plugin.name!r} is of type {plugin.type!r}, which this runtime does not serve.")
        if plugin.type not in self._made:
            self._made[plugin.type] = self._makers[plugin.type]()
        return self._made[plugin.type].tool(plugin, config)

    def problems(self, config: RuntimeConfig) -> tuple[RuntimeProblem, ...]:
        return tuple(problem for each in self._made.values() for problem in each.problems(config))

    async def warm(self, config: RuntimeConfig) -> None:
        for each in self._made.values():
            await each.warm(config)

    async def close(self) -> None:
        for each in self._made.values():
            await each.close()


NO_CONNECTORS = Connectors({})
