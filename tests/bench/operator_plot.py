"""Draws what the operator costs against the number of Chatbots."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Two colours that all kinds of colour vision tell apart; the markers differ as well.
BLUE, ORANGE = "#0072B2", "#D55E00"
GOALS_MIB = {1000: 150, 10_000: 700}


def draw(found: dict[str, Any], target: Path) -> None:
    """Write the picture of memory and speed at each number of Chatbots."""
    mpl.use("Agg")
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _memory(left, found)
    _speed(right, found)
    cpus = found["machine"]["cpus"]
    figure.suptitle(f"Cost of the operator against the number of Chatbots ({cpus} CPUs, API server beside it)")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110, metadata={"Software": None})


def _memory(axes: Axes, found: dict[str, Any]) -> None:
    points = found["growth"]
    numbers = [point["chatbots"] for point in points]
    axes.plot(numbers, [point["rss_mib"] for point in points], color=BLUE, marker="o", label="resident (RSS)")
    axes.plot(numbers, [point["pss_mib"] for point in points], color=ORANGE, marker="s", label="proportional (PSS)")
    goals = {number: mib for number, mib in GOALS_MIB.items() if number <= max(numbers)}
    if goals:
        axes.plot(list(goals), list(goals.values()), "kv", label="goal: at most")
    axes.margins(y=0.15)
    axes.set(xlabel="Chatbots", ylabel="Memory of the operator (MiB)", xlim=(0, None), ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)


def _speed(axes: Axes, found: dict[str, Any]) -> None:
    points = [point for point in found["growth"] if "chatbots_per_s" in point]
    numbers, speeds = [point["chatbots"] for point in points], [point["chatbots_per_s"] for point in points]
    axes.plot(numbers, speeds, color=BLUE, marker="o", label="operator")
    bots, raw = found["chatbots"], found["raw_chatbots_per_s"]
    axes.plot([bots], [raw], color=ORANGE, marker="D", linestyle="", label="no operator: same objects, raw loop")
    # A lone pair of points lies at the top of the picture, where a legend would hide it.
    axes.margins(y=0.5)
    axes.set(xlabel="Chatbots", ylabel="Chatbots applied per second", xlim=(0, None), ylim=(0, None))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
