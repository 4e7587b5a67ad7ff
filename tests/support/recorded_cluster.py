"""Stands between the operator and its cluster: writes every call down, and lets the operator die after one of them."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from smarter_operator.cluster import Cluster
from smarter_operator.kinds import Kind

Call = tuple[str, ...]
"""Name of the method, kind, and name of the object where there is one."""


class RecordedCluster:
    """Passes on whatever a `Cluster` can do, and writes it down.

    After `arm(number)` the operator dies with the call of that number: the server carries it out, its answer never
    arrives, and no further call leaves.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._last = 0
        self.calls: list[Call] = []
        self.dead = False

    def arm(self, number: int = 0) -> None:
        """Begin to count; 0: nobody dies."""
        self.calls.clear()
        self._last = number

    @property
    def as_cluster(self) -> Cluster:
        return cast(Cluster, self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._cluster, name)

        async def call(*arguments: Any) -> Any:
            if self.dead:
                await _for_ever()
            self.calls.append((name, *_described(arguments)))
            self.dead = len(self.calls) == self._last
            try:
                return await method(*arguments)
            finally:
                if self.dead:
                    await _for_ever()

        return call


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _described(arguments: tuple[Any, ...]) -> list[str]:
    found = [argument.name if isinstance(argument, Kind) else argument for argument in arguments]
    names = [item["metadata"]["name"] if isinstance(item, dict) and "metadata" in item else item for item in found]
    return [name for name in names if isinstance(name, str)]
