"""Writes the measured figures of the runtime as a table into the page about performance."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- runtime figures: written by `make bench-runtime` -->", "<!-- end of runtime figures -->"
_COLUMNS = (("Smarter", ""), ("bare relay", "relay_"), ("SDK behind FastAPI", "sdk_"), ("LiteLLM proxy", "litellm_"))
_COMPARED = (
    ("CPU per whole answer (ms)", "cpu_ms_answer"),
    ("CPU per stream of 100 chunks, one every 20 ms (ms)", "cpu_ms_stream"),
    ("CPU per stream of 100 chunks at once (ms)", "cpu_ms_burst"),
    ("answers per second", "answers_per_s"),
    ("added to an answer, median (ms)", "added_p50_ms"),
    ("added to an answer, 95th percentile (ms)", "added_p95_ms"),
    ("added to an answer, 99th percentile (ms)", "added_p99_ms"),
    ("start → ready (s)", "ready_s"),
    ("memory idle, PSS (MiB)", "pss_idle_mib"),
)
_OWN = (
    ("CPU per answer with three plugins (ms)", "cpu_ms_answer_3_plugins", ""),
    ("CPU per paced stream with three plugins (ms)", "cpu_ms_stream_3_plugins", ""),
    ("LiteLLM's CPU per answer ÷ ours", "litellm_to_answer", "at least 20"),
    ("LiteLLM's CPU per paced stream ÷ ours", "litellm_to_stream", "at least 8"),
    ("our CPU per paced stream ÷ the bare relay's", "stream_to_relay", "at most 1.5"),
    ("memory under load, three plugins, PSS (MiB)", "pss_loaded_mib", ""),
    ("memory per open stream, {open_streams} open (KiB)", "kib_per_stream", ""),
    ("call of a static plugin (ms)", "tool_ms_static", ""),
    ("call of a SQL plugin, PostgreSQL (ms)", "tool_ms_sql", ""),
    ("call of an API plugin (ms)", "tool_ms_api", ""),
)


def write(found: dict[str, Any], page: Path) -> None:
    """Put the tables between their two marks in the page."""
    text = page.read_text(encoding="utf-8")
    before, mark, rest = text.partition(BEGIN)
    if not mark:
        raise SystemExit(
            f"There is no place for the figures in {page.name}: add the two comments {BEGIN!r} and {END!r}."
        )
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{tables(found)}\n{END}{after}", encoding="utf-8")


def tables(found: dict[str, Any]) -> str:
    head = ["| | " + " | ".join(name for name, _ in _COLUMNS) + " |", "| --- |" + " --- |" * len(_COLUMNS)]
    rows = [
        f"| {label} | " + " | ".join(_cell(found, prefix + key) for _, prefix in _COLUMNS) + " |"
        for label, key in _COMPARED
    ]
    own = ["| Smarter alone | measured | goal |", "| --- | --- | --- |"]
    own += [f"| {label.format(**found)} | {_cell(found, key)} | {goal} |" for label, key, goal in _OWN if key in found]
    return "\n".join([*head, *rows, "", *own])


def _cell(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
