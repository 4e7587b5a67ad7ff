"""Writes the measured figures of the operator as a table into the page about performance."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- operator figures: written by `make bench-operator` -->", "<!-- end of operator figures -->"

_ROWS = (
    ("Chatbots per second, {chatbots} created at once", "chatbots_per_s", ""),
    ("the same objects applied by a plain loop, Chatbots per second", "raw_chatbots_per_s", ""),
    ("share of the plain loop's speed that the operator reaches", "ratio", "at least 0.75"),
    ("processor time of the operator per Chatbot (ms)", "operator_cpu_ms_per_chatbot", ""),
    ("processor time of the plain loop's client per Chatbot (ms)", "raw_cpu_ms_per_chatbot", ""),
    ("objects per second", "objects_per_s", ""),
    ("objects per second of `{peer}`", "peer_objects_per_s", ""),
    ("edit of a Chatbot → applied, {edits} edits, median (s)", "edit_applied_p50_s", ""),
    ("edit of a Chatbot → applied, 95th percentile (s)", "edit_applied_p95_s", "at most 1"),
    ("edit of a Plugin → all {chatbots} ConfigMaps carry it (s)", "plugin_fanout_s", ""),
    ("a new Chatbot meanwhile → applied (s)", "plugin_fanout_newcomer_applied_s", "at most 5"),
    ("restart → synced, {chatbots} Chatbots (s)", "restart_synced_s", ""),
    ("writes on restart, {chatbots} Chatbots", "restart_writes", "0"),
    ("restart → synced, 10,000 Chatbots (s)", "restart_synced_s_10000", ""),
    ("writes on restart, 10,000 Chatbots", "restart_writes_10000", "0"),
    ("memory without Chatbots, RSS (MiB)", "rss_mib_0", ""),
    ("memory at 1,000 Chatbots, RSS (MiB)", "rss_mib_1000", "at most 150"),
    ("memory at 10,000 Chatbots, RSS (MiB)", "rss_mib_10000", "at most 700"),
    ("API calls per create, until Ready", "calls_per_create", "children + 2 writes"),
    ("API calls per update", "calls_per_update", "changed + pods + 1 writes"),
    ("API calls per no-op", "calls_per_noop", "none"),
    ("API calls per delete", "calls_per_delete", ""),
)


def table(found: dict[str, Any]) -> str:
    """Return the figures that there are as a Markdown table."""
    known = {"peer": "the peer", **found}
    rows = [f"| {label.format(**known)} | {_cell(found[key])} | {goal} |" for label, key, goal in _ROWS if key in found]
    cpus, memory = found["machine"]["cpus"], found["machine"]["memory_gib"]
    head = f"| {cpus} CPUs, {memory} GiB, API server and etcd on the same machine | measured | goal |"
    return "\n".join([head, "| --- | --- | --- |", *rows])


def write(found: dict[str, Any], page: Path) -> None:
    """Put the table between its two marks in the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number:g} {verb}" for verb, number in value.items()) or "none"
    return f"{value:g}"
