"""The page about watching bots asks for metrics and labels that there are."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from smarter_operator import metrics as of_operator
from smarter_operator.chatbot_metrics import _METRICS
from smarter_runtime.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^\| [^|]+\? \| `(.+)` \|$", PAGE, re.MULTILINE)
OF_CHATBOTS = {name: {"namespace", "name", "type", "status", "host", "model"} for name, *_ in _METRICS}
OF_PROMETHEUS = {"namespace", "pod", "job", "le"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def known() -> dict[str, set[str]]:
    """Return the labels of each series."""
    found = dict(OF_CHATBOTS)
    wrapped = [*vars(Metrics()).values(), *vars(of_operator).values()]
    for metric in (each for each in wrapped if isinstance(each, MetricWrapperBase)):
        for suffix in _SUFFIXES[str(metric._type)]:
            found[metric._name + suffix] = set(metric._labelnames)
    return found


def test_there_is_a_query_for_each_question() -> None:
    assert len(QUERIES) >= 14


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str) -> None:
    series = known()
    names = re.findall(r"(?:smarter|gen_ai)_[a-z_]+(?=[\[{) ]|$)", re.sub(r"by \([^)]*\)", "", query))
    assert names
    for name in names:
        assert name in series, name
    labels = {each for group in re.findall(r"by \(([^)]*)\)", query) for each in group.split(", ")}
    labels |= {each for group in re.findall(r"\{([^}]*)\}", query) for each in re.findall(r"(\w+)[=!]", group)}
    assert labels <= OF_PROMETHEUS.union(*(series[name] for name in names))
