"""What the operator costs as the number of Chatbots grows, and what a restart over them costs."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.operator_load import Speed, by_operator
from bench.operator_stage import Memory, Stage, calls, memory, reconciles, settled, writes
from support.operator_process import OperatorProcess

PER_NAMESPACE = 1000


@dataclass(frozen=True, kw_only=True)
class Point:
    """The operator at one number of Chatbots; the speed is that of the last batch."""

    chatbots: int
    memory: Memory
    speed: Speed | None = None

    def results(self) -> dict[str, Any]:
        per_second = {} if self.speed is None else {"chatbots_per_s": self.speed.resources_per_s}
        return {"chatbots": self.chatbots} | asdict(self.memory) | per_second


async def grow(stage: Stage, operator: OperatorProcess, begin: int, end: int) -> list[Point]:
    """Create Chatbots in batches, each in a namespace of its own; measure after each."""
    points = []
    for start in range(begin, end, PER_NAMESPACE):
        size = min(PER_NAMESPACE, end - start)
        namespace = await stage.namespace(f"bench-{start}")
        speed = await by_operator(stage, namespace, range(size))
        points.append(Point(chatbots=start + size, memory=memory(operator), speed=speed))
        print(f"  {points[-1].results()}", flush=True)
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
        while await reconciles(operator) < bots:
            if time.perf_counter() - started > 600:
                raise AssertionError("the operator does not look at all Chatbots within 600 s")
        looked = time.perf_counter() - started
        await settled(operator)
        return Restart(
            synced_s=round(synced, 2),
            all_reconciled_s=round(looked, 2),
            writes=writes(await calls(operator)),
            memory=memory(operator),
        )
