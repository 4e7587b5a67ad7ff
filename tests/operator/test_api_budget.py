"""How many calls of the API a Chatbot may cost, and how many Chatbots an edit of a Plugin may wake."""

from collections import Counter
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from smarter_operator.kinds import CHATBOT, CHILDREN, SECRET
from support.controllers import Controllers
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_harness import Harness, as_a_watch
from support.virtual_time import virtual_time

MADE = {SECRET.name, *(kind.name for kind in CHILDREN)}

OWN = {CHATBOT.name, "Pod", *MADE}
"""What is written for one Chatbot; the count of a Plugin's users is written for many at once."""

USERS, OTHERS = 10, 40


def edited(cluster: FakeCluster) -> None:
    spec = chatbot(systemPrompt="New.", plugins=[{"name": "returns"}], exposure=exposed())["spec"]
    cluster.edit(CHATBOT.name, "support", spec=spec)


def labelled(cluster: FakeCluster) -> None:
    bot = cluster.get(CHATBOT.name, "support")
    cluster.edit(CHATBOT.name, "support", metadata={**bot["metadata"], "labels": {"team": "a"}})


def deleted(cluster: FakeCluster) -> None:
    cluster.remove(CHATBOT.name, "support")


def kinds_of_children(cluster: FakeCluster) -> list[str]:
    return [kind for kind, _, _ in cluster.objects if kind in MADE]


@virtual_time
async def test_a_new_chatbot_costs_one_write_per_child_and_two_of_its_status() -> None:
    cluster = FakeCluster()
    for manifest in (provider(), plugin(), chatbot(plugins=[{"name": "returns"}], exposure=exposed())):
        cluster.create(manifest)
    controllers = Controllers(cluster)
    async with controllers.serve(Harness(cluster)):
        await controllers.rest()
    made = kinds_of_children(cluster)
    assert cluster.condition("support", "Ready") == ("True", "Ready")
    writes = Counter(kind for _, kind, _ in cluster.writes if kind in OWN)
    assert writes.pop(CHATBOT.name) <= 2
    assert writes == Counter(made), "every child once, and nothing else"
    reads = Counter(kind for kind, _ in cluster.reads)
    assert reads.keys() <= {kind.name for kind in CHILDREN if kind.optional}, "only for APIs that may be missing"
    assert reads.total() <= len(made)


@pytest.mark.parametrize(
    ("change", "writes"),
    [
        pytest.param(edited, {"ConfigMap": 1, "Pod": 1, "Chatbot": 1}, id="update"),
        pytest.param(labelled, {}, id="no-op"),
        pytest.param(deleted, {}, id="delete"),
    ],
)
@virtual_time
async def test_a_change_costs_no_more_than_what_it_changes(
    change: Callable[[FakeCluster], None], writes: dict[str, int]
) -> None:
    cluster = FakeCluster()
    for manifest in (provider(), plugin(), chatbot(plugins=[{"name": "returns"}], exposure=exposed())):
        cluster.create(manifest)
    controllers = Controllers(cluster)
    async with controllers.serve(Harness(cluster)):
        await controllers.rest()
        cluster.writes.clear()
        cluster.reads.clear()
        change(cluster)
        await controllers.rest()
        assert Counter(kind for _, kind, _ in cluster.writes if kind in OWN) == writes
        # The one question is for the PodMonitor, of which nobody knows whether its API has come by now.
        assert cluster.reads in ([], [("PodMonitor", "support")])


def reconciles() -> float:
    results = ("done", "again", "error")
    found = (REGISTRY.get_sample_value("smarter_reconcile_total", {"kind": "Chatbot", "result": r}) for r in results)
    return sum(value or 0 for value in found)


@pytest.mark.parametrize("answer_first", [pytest.param(True, id="answer-first"), pytest.param(False, id="event-first")])
@virtual_time
async def test_an_edit_of_a_plugin_wakes_those_who_use_it_at_most_twice_and_nobody_else(*, answer_first: bool) -> None:
    cluster = FakeCluster()
    for manifest in (provider(), plugin(), plugin("other")):
        cluster.create(manifest)
    users = {f"user-{number}" for number in range(USERS)}
    for name in [*users, *(f"other-{number}" for number in range(OTHERS))]:
        cluster.create(chatbot(name, plugins=[{"name": "returns" if name in users else "other"}]))
    async with Harness(cluster) as harness:
        await harness.settle(30)
        if answer_first:
            cluster.on_change = as_a_watch(harness)
        cluster.writes.clear()
        before = reconciles()
        cluster.edit("Plugin", "returns", spec=plugin(static={"data": {"window": "60 days"}})["spec"])
        await harness.settle(30)
        assert USERS <= reconciles() - before <= 2 * USERS
        applied = [name for verb, kind, name in cluster.writes if (verb, kind) == ("apply", "ConfigMap")]
        assert sorted(applied) == sorted(f"{name}-config" for name in users)
        assert [name for _, kind, name in cluster.writes if kind == CHATBOT.name and name not in users] == []
