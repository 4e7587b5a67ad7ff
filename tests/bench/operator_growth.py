"""What the operator costs as the number of Chatbots grows, and what a restart over them costs."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.operator_load import Speed, by_operator
from bench.operator_stage import LONGEST_SECONDS, Memory, Stage, calls, memory, reconciles, say, settled, writes
from support.api import eventually
from support.operator_process import OperatorProcess

PER_NAMESPACE = 1000


@dataclass(frozen=True, kw_only=True)
class Point:
    """The operator at one number of Chatbots; the speed is that of the last batch."""

    chatbots: int
    memory: Memory
    speed: Speed | None = None

    def results(self) -> dict[str, Any]:
        return {"chatbots": self.chatbots} | asdict(self.memory) | self._speeds()

    def _speeds(self) -> dict[str, float]:
        if self.speed is None:
            return {}
        return {
            "chatbots_per_s": self.speed.resources_per_s,
            "operator_cpu_ms_per_chatbot": self.speed.cpu_ms_per_resource,
        }


async def namespaces(stage: Stage, begin: int, end: int) -> dict[str, range]:
    """Make a namespace for each batch of Chatbots. Returns which of all Chatbots each is for."""
    batches = [range(start, min(start + PER_NAMESPACE, end)) for start in range(begin, end, PER_NAMESPACE)]
    return {await stage.namespace(f"bench-{batch.start}"): batch for batch in batches}


async def grow(stage: Stage, operator: OperatorProcess, batches: Mapping[str, range]) -> list[Point]:
    """Create Chatbots in batches, each in a namespace of its own; measure after each."""
    points = []
    for namespace, batch in batches.items():
        speed = await by_operator(stage, operator, namespace, range(len(batch)))
        points.append(Point(chatbots=batch.stop, memory=memory(operator), speed=speed))
        say(f"  {points[-1].results()}")
    return points


@dataclass(frozen=True, kw_only=True)
class Restart:
    """A start over Chatbots that are as they should be."""

    synced_s: float
    all_reconciled_s: float
    writes: int
    memory: Memory


async def restart(stage: Stage, bots: int) -> Restart:
    """Start the operator anew: the seconds until it is ready, until it has looked at everything, and what it wrote."""
    started = time.perf_counter()
    async with stage.operator() as operator:
        synced = time.perf_counter() - started

        async def has_looked_at_all() -> bool:
            return await reconciles(operator) >= bots

        await eventually(has_looked_at_all, LONGEST_SECONDS, every_seconds=0.1)
        looked = time.perf_counter() - started
        await settled(operator)
        return Restart(
            synced_s=round(synced, 2),
            all_reconciled_s=round(looked, 2),
            writes=writes(await calls(operator)),
            memory=memory(operator),
        )
