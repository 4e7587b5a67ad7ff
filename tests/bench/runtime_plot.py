"""Draws what an answer and a stream cost in each program."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, GREY = "#0072B2", "#999999"
_PROGRAMS = (
    ("Smarter", ""),
    ("bare relay\n(the limit)", "relay_"),
    ("openai SDK\n+ FastAPI", "sdk_"),
    ("LiteLLM\nproxy", "litellm_"),
)


def draw(found: dict[str, Any], target: Path) -> None:
    mpl.use("Agg")
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _bars(left, found, "cpu_ms_answer", "one whole answer")
    _bars(right, found, "cpu_ms_stream", "one stream of 100 chunks, one every 20 ms")
    figure.suptitle(
        f"CPU of one worker per answer, TLS and keys on both sides ({found['machine']['cpus']} CPUs, median)"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110, metadata={"Software": None})


def _bars(axes: Axes, found: dict[str, Any], key: str, label: str) -> None:
    known = [(name, found[prefix + key], prefix) for name, prefix in _PROGRAMS if prefix + key in found]
    colours = [GREY if prefix else BLUE for *_, prefix in known]
    bars = axes.bar([name for name, *_ in known], [value for _, value, _ in known], color=colours)
    axes.bar_label(bars, fmt="%.3g", padding=2)
    axes.set(title=label, ylabel="ms", ylim=(0, max(value for _, value, _ in known) * 1.12))
    axes.spines[["top", "right"]].set_visible(False)
