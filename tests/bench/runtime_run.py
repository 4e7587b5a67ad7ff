"""Measures the runtime beside a bare relay, the SDK behind FastAPI, and the LiteLLM proxy: `make bench-runtime`."""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench import runtime_load as load
from bench import runtime_stacks as stacks
from bench.runtime_plot import draw
from bench.runtime_provider import KEY
from bench.runtime_report import write
from bench.runtime_tools import tool_times
from runtime.keys import TOKEN
from smarter_crds.runtime_config import ModelConfig

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results" / "runtime.json"
PLOT = ROOT / "docs" / "images" / "runtime-cost.png"
PAGE = ROOT / "docs" / "performance-of-the-runtime.md"
MASTER = "sk-bench-master"
RUNS = 5
WRITTEN = frozenset(
    {
        *("cpu_ms_answer", "cpu_ms_stream", "cpu_ms_answer_3_plugins", "answers_per_s", "kib_per_stream"),
        *("added_p50_ms", "added_p95_ms", "added_p99_ms", "ready_s", "pss_idle_mib"),
        *("relay_cpu_ms_answer", "relay_cpu_ms_stream", "litellm_cpu_ms_answer", "litellm_cpu_ms_stream"),
        *("litellm_answers_per_s", "litellm_ready_s", "litellm_pss_idle_mib"),
        *("tool_ms_static", "tool_ms_sql", "tool_ms_api"),
    }
)
"""What the results have at least; without one of them, nothing is written."""

Start = Callable[[str], AbstractAsyncContextManager[stacks.Running]]


async def main(options: argparse.Namespace) -> None:
    """Go through all programs again and again, and write the medians."""
    begun = time.monotonic()
    stacks.compile_ahead()
    with tempfile.TemporaryDirectory(prefix="smarter-bench-") as folder:
        at = stacks.place(Path(folder) / "files")
        async with stacks.provider(at) as provider:
            found = await measured(at, provider, options)
    found |= {"machine": machine(), "runs": options.runs, "seconds": round(time.monotonic() - begun)}
    print(json.dumps(found, indent=2))
    if options.write:
        if missing := WRITTEN - set(found):
            raise SystemExit(f"Nothing is written, for these were not measured: {', '.join(sorted(missing))}.")
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        draw(found, PLOT)
        write(found, PAGE)


async def measured(at: stacks.Place, provider: str, options: argparse.Namespace) -> dict[str, Any]:
    programs = stack_starts(at, skip_litellm=options.skip_litellm)
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    direct: list[float] = []
    for run in range(1, options.runs + 1):
        direct += await load.direct(at, provider, KEY)
        for name, (start, token) in programs.items():
            say(f"run {run} of {options.runs}: {name}")
            samples[name].append(await sample(at, provider, start, token))
    say("memory of open streams")
    streams = await open_streams(at, provider)
    say("tools")
    tools = await tool_times(at, provider)
    return {**keys(samples, statistics.median(direct)), **streams, **tools, "samples": samples}


def stack_starts(at: stacks.Place, *, skip_litellm: bool) -> dict[str, tuple[Any, str]]:
    plain = ModelConfig(provider="main", name="paced")
    programs: dict[str, tuple[Any, str]] = {
        "smarter": (
            (lambda url: stacks.smarter(at, url), lambda url: stacks.smarter(at, url, model=plain)),
            TOKEN,
        ),
        "smarter with 3 plugins": (
            (
                lambda url: stacks.smarter(at, url, stacks.three_plugins()),
                lambda url: stacks.smarter(at, url, stacks.three_plugins(), model=plain),
            ),
            TOKEN,
        ),
        "relay": ((lambda url: stacks.relay(at, url),) * 2, TOKEN),
        "sdk": ((lambda url: stacks.sdk(at, url),) * 2, TOKEN),
        "litellm": ((lambda url: stacks.litellm(at, url),) * 2, MASTER),
    }
    if skip_litellm:
        del programs["litellm"]
    return programs


async def sample(at: stacks.Place, provider: str, starts: tuple[Start, Start], token: str) -> dict[str, float]:
    """Return what one run of one program shows; a program whose model is part of its settings is started twice."""
    async with starts[0](provider) as running:
        ready, idle = running.ready_seconds, running.pss_mib()
        answers = await load.answers(running, at, token)
        loaded = running.pss_mib()
        stream = None if starts[0] is not starts[1] else await load.paced_stream(running, at, token)
    if stream is None:
        async with starts[1](provider) as running:
            stream = await load.paced_stream(running, at, token)
    latencies = list(answers.latencies_ms)
    return {
        "cpu_ms_answer": answers.cpu_ms_answer,
        "cpu_ms_burst": answers.cpu_ms_burst,
        "cpu_ms_stream": stream,
        "answers_per_s": answers.answers_per_s,
        "p50_ms": statistics.median(latencies),
        "p95_ms": load.percentile(latencies, 95),
        "p99_ms": load.percentile(latencies, 99),
        "ready_s": ready,
        "pss_idle_mib": idle,
        "pss_loaded_mib": loaded,
    }


def keys(samples: dict[str, list[dict[str, float]]], direct_ms: float) -> dict[str, Any]:
    """Return the medians over the runs, under the names that the results have."""

    def median(name: str, key: str) -> float:
        return round(statistics.median(sample[key] for sample in samples[name]), 3)

    found: dict[str, Any] = {
        "cpu_ms_answer_3_plugins": median("smarter with 3 plugins", "cpu_ms_answer"),
        "cpu_ms_stream_3_plugins": median("smarter with 3 plugins", "cpu_ms_stream"),
        "pss_idle_mib": median("smarter with 3 plugins", "pss_idle_mib"),
        "pss_loaded_mib": median("smarter with 3 plugins", "pss_loaded_mib"),
        "ready_s": median("smarter with 3 plugins", "ready_s"),
        "direct_p50_ms": round(direct_ms, 3),
    }
    for name, prefix in (("smarter", ""), ("relay", "relay_"), ("sdk", "sdk_"), ("litellm", "litellm_")):
        if name not in samples:
            continue
        for key in ("cpu_ms_answer", "cpu_ms_stream", "cpu_ms_burst", "answers_per_s"):
            found[prefix + key] = median(name, key)
        for percent in (50, 95, 99):
            found[f"{prefix}added_p{percent}_ms"] = round(median(name, f"p{percent}_ms") - direct_ms, 3)
        if prefix:
            found |= {prefix + key: median(name, key) for key in ("ready_s", "pss_idle_mib")}
    return found | ratios(found)


def ratios(found: dict[str, Any]) -> dict[str, float]:
    ours, limit = found["cpu_ms_stream"], found["relay_cpu_ms_stream"]
    made = {"stream_to_relay": round(ours / limit, 2)}
    if "litellm_cpu_ms_answer" in found:
        made["litellm_to_answer"] = round(found["litellm_cpu_ms_answer"] / found["cpu_ms_answer"], 1)
        made["litellm_to_stream"] = round(found["litellm_cpu_ms_stream"] / ours, 1)
    return made


async def open_streams(at: stacks.Place, provider: str) -> dict[str, Any]:
    async with stacks.smarter(at, provider, model=ModelConfig(provider="main", name="slow")) as running:
        kib = await load.kib_per_stream(running, at, TOKEN)
    return {"kib_per_stream": round(kib, 1), "open_streams": load.OPEN_STREAMS}


def machine() -> dict[str, Any]:
    return {
        "cpus": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def say(text: str) -> None:
    print(f"» {text}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="alternating runs of every program")
    parser.add_argument("--skip-litellm", action="store_true", help="leave the peer out, with --no-write")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    options = parser.parse_args()
    if options.skip_litellm and options.write:
        parser.error("The results are written with the peer only: add --no-write.")
    uvloop.run(main(options))
