"""Measures the operator beside a raw apply loop and beside a peer, on one real API server: `make bench-operator`."""

import argparse
import asyncio
import json
import platform
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench import operator_peer
from bench.operator_budget import calls_per_chatbot
from bench.operator_edits import edit_to_applied, plugin_edit
from bench.operator_growth import PER_NAMESPACE, Point, Restart, grow, namespaces, restart
from bench.operator_load import WORKERS, Speed, raw_loop
from bench.operator_plot import draw
from bench.operator_report import write
from bench.operator_stage import ROOT, Stage, memory, opened, say, settled, stop_controllers
from support.operator_process import OperatorProcess

RESULTS = Path(__file__).parent / "results" / "operator.json"
PLOT = ROOT / "docs" / "images" / "operator-cost.png"
PAGE = ROOT / "docs" / "performance.md"
WARM_UP = 30
MANY = 10_000
GOALS = {
    "ratio": 0.75,
    "edit_applied_p95_s": 1.0,
    "restart_writes": 0,
    "rss_mib_1000": 150,
    "rss_mib_10000": 700,
}


async def measure(stage: Stage, options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Go through all parts and put what they bring into `found`; what is made for one is swept away before the next."""
    size: int = options.chatbots
    found |= {"machine": machine(), "chatbots": size, "workers": WORKERS}
    say("calls per Chatbot")
    found |= shown(await calls_per_chatbot(stage, await stage.namespace("budget")))
    await stage.sweep("budget")
    if not options.skip_peer:
        found |= await beside_peer(stage, size)
    # The two that are compared come one right after the other.
    say(f"{size} Chatbots without an operator")
    raw = await without_operator(stage, size)
    found |= shown(raw_speeds(raw))
    say(f"{size} Chatbots by the operator")
    await by_the_operator(stage, size, options.edits, found)
    say(f"restart over {size} Chatbots")
    found |= shown(restarted(await restart(stage, size), ""))
    if not options.skip_10000:
        await up_to_many(stage, size, found)


async def without_operator(stage: Stage, size: int) -> Speed:
    namespace = await stage.namespace("raw")
    await raw_loop(stage, namespace, WARM_UP)
    await stage.sweep(namespace)
    speed = await raw_loop(stage, namespace, size)
    await stage.sweep(namespace)
    return speed


async def beside_peer(stage: Stage, size: int) -> dict[str, Any]:
    say(f"{size} DaskClusters by {operator_peer.PACKAGE}")
    speed = await operator_peer.by_peer(stage, "peer", size)
    await operator_peer.sweep(stage, "peer")
    return shown(
        {
            "peer": operator_peer.PACKAGE,
            "peer_resources": speed.resources,
            "peer_objects_per_s": speed.objects_per_s,
            "peer_resources_per_s": speed.resources_per_s,
        }
    )


async def by_the_operator(stage: Stage, size: int, edits: int, found: dict[str, Any]) -> None:
    """Let the operator make as many Chatbots as the raw loop did, and then edit some, and the Plugin of all."""
    async with stage.operator() as operator:
        await settled(operator)
        empty = Point(chatbots=0, memory=memory(operator))
        [*points, last] = await grow(stage, operator, await namespaces(stage, 0, size))
        found |= shown(speeds([*points, last], found["raw_chatbots_per_s"]))
        found |= memories([empty, *points, await at_rest(operator, last)])
        say(f"{edits} edits of Chatbots")
        found |= shown(await edit_to_applied(stage, "bench-0", min(size, PER_NAMESPACE), edits))
        say("an edit of a Plugin")
        found |= shown((await plugin_edit(stage, operator, "bench-0")).results())


async def up_to_many(stage: Stage, size: int, found: dict[str, Any]) -> None:
    """Go on from `size` Chatbots, without controllers."""
    batches = await namespaces(stage, size, MANY)
    stop_controllers(stage)
    say(f"{MANY} Chatbots by the operator, without controllers")
    async with stage.operator() as operator:
        await settled(operator)
        [*points, last] = await grow(stage, operator, batches)
        found |= memories([*points, await at_rest(operator, last)], found["growth"])
    say(f"restart over {MANY} Chatbots")
    found |= shown(restarted(await restart(stage, MANY), f"_{MANY}"))


async def at_rest(operator: OperatorProcess, point: Point) -> Point:
    await settled(operator)
    return Point(chatbots=point.chatbots, memory=memory(operator), speed=point.speed)


def raw_speeds(raw: Speed) -> dict[str, Any]:
    return {
        "raw_chatbots_per_s": raw.resources_per_s,
        "raw_objects_per_s": raw.objects_per_s,
        "raw_cpu_ms_per_chatbot": raw.cpu_ms_per_resource,
    }


def speeds(points: list[Point], raw_chatbots_per_s: float) -> dict[str, Any]:
    """Compare the operator with the raw loop over the same objects."""
    made = [point.speed for point in points if point.speed]
    own = Speed(
        resources=sum(speed.resources for speed in made),
        objects=sum(speed.objects for speed in made),
        seconds=sum(speed.seconds for speed in made),
        cpu_seconds=sum(speed.cpu_seconds for speed in made),
    )
    return {
        "chatbots_per_s": own.resources_per_s,
        "ratio": round(own.resources_per_s / raw_chatbots_per_s, 3),
        "objects_per_s": own.objects_per_s,
        "objects_per_chatbot": own.objects // own.resources,
        "operator_cpu_ms_per_chatbot": own.cpu_ms_per_resource,
    }


def restarted(found: Restart, suffix: str) -> dict[str, Any]:
    return {
        f"restart_synced_s{suffix}": found.synced_s,
        f"restart_all_reconciled_s{suffix}": found.all_reconciled_s,
        f"restart_writes{suffix}": found.writes,
        f"restart_memory{suffix}": asdict(found.memory),
    }


def memories(points: list[Point], before: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    by_number = {f"rss_mib_{point.chatbots}": point.memory.rss_mib for point in points}
    return by_number | {"growth": [*before, *(point.results() for point in points)]}


def machine() -> dict[str, Any]:
    return {
        "cpus": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def shown(found: dict[str, Any]) -> dict[str, Any]:
    """Print figures as they come in; the whole run takes a quarter of an hour."""
    for key, value in found.items():
        say(f"  {key}: {json.dumps(value)}")
    return found


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chatbots", type=int, default=1000, help="created at once (default: %(default)s)")
    parser.add_argument("--edits", type=int, default=100, help="of one Chatbot after the other (default: %(default)s)")
    parser.add_argument("--skip-10000", action="store_true", help="do not go on to 10,000 Chatbots")
    parser.add_argument("--skip-peer", action="store_true", help="leave the peer out")
    parser.add_argument("--cluster-name", default="smarter-bench-op", help="name of the local cluster")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go (default: %(default)s)")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the picture goes (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that gets the figures (default: %(default)s)")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """Run everything in one cluster; write figures and picture. SIGTERM still takes the cluster down."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    started = time.perf_counter()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with opened(options.cluster_name, Path(folder)) as stage:
            await measure(stage, options, found)
    found |= {"goals": GOALS, "took_s": round(time.perf_counter() - started)}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(found, options.plot)
    write(found, options.page)
    say(f"done in {found['took_s']} s; the figures are in {options.results}, {options.plot} and {options.page}")


if __name__ == "__main__":
    uvloop.run(main(parsed()))
