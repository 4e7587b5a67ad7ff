"""Every field that the operator writes into any child is changed and taken away by hand, one after the other."""

from collections.abc import Mapping
from typing import Any

import pytest

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CHILDREN, POD_DISRUPTION_BUDGET
from support.controllers import Controllers
from support.facts import CHILD_KINDS, STRANGER, differences, facts
from support.fake_cluster import FakeCluster
from support.harm import GONE, fields, other, value_at, with_value, written
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

GATEWAY: Mapping[str, Any] = {
    "type": "HTTPRoute",
    "hosts": ["support.acme.example"],
    "gatewayRef": {"name": "public", "namespace": "infra", "sectionName": "https"},
}

BOTS: Mapping[str, dict[str, Any]] = {
    "ingress": {"exposure": exposed(), "plugins": [{"name": "returns"}], "resources": {"limits": {"cpu": "1"}}},
    "http-route": {"exposure": GATEWAY},
    "listeners-of-its-own": {"exposure": {**GATEWAY, "tls": exposed()["tls"]}},
    "autoscaling": {"exposure": {"type": "None"}, "scaling": {"type": "Auto", "maxReplicas": 1}},
}

IMMUTABLE = ("Deployment", "spec", "selector")
"""What no hand can change; a Deployment that is made anew with another one is replaced."""

NOT_MADE_YET = frozenset({POD_DISRUPTION_BUDGET.name})
"""Kinds that no Chatbot that is accepted today has."""


def converging(spec: dict[str, Any]) -> tuple[FakeCluster, Controllers, Harness]:
    cluster = FakeCluster()
    for manifest in (provider(), plugin(), chatbot(**spec)):
        cluster.create(manifest)
    controllers = Controllers(cluster)
    return cluster, controllers, controllers.serve(Harness(cluster))


def children(cluster: FakeCluster) -> dict[tuple[str, str, str], Manifest]:
    return {key: child for key, child in cluster.objects.items() if key[0] in CHILD_KINDS}


@pytest.mark.parametrize("bot", BOTS)
@virtual_time
async def test_whatever_is_changed_or_taken_away_comes_back_and_what_others_add_stays(bot: str) -> None:
    cluster, controllers, harness = converging(BOTS[bot])
    async with harness:
        await controllers.rest()
        wanted, tried = facts(cluster), 0
        mark = f"{STRANGER}else"
        for (kind, _, name), child in children(cluster).items():
            for path in fields(child):
                if (kind, *path[:2]) == IMMUTABLE:
                    continue
                for value in (other(value_at(child, path)), GONE):
                    harmed = with_value(cluster.get(kind, name), path, value)
                    harmed["metadata"].setdefault("annotations", {})[mark] = "kept"
                    cluster.put_in_place(harmed)
                    await controllers.run(8)
                    live = cluster.get(kind, name)
                    assert live["metadata"]["annotations"].pop(mark) == "kept"
                    found = list(differences(facts(cluster), wanted))
                    assert found == [], f"{kind} {written(path)} = {value!r}"
                    tried += 1
        assert tried >= 200


@pytest.mark.parametrize("bot", BOTS)
@virtual_time
async def test_every_child_that_is_deleted_comes_back(bot: str) -> None:
    cluster, controllers, harness = converging(BOTS[bot])
    async with harness:
        await controllers.rest()
        wanted = facts(cluster)
        for kind, _, name in list(children(cluster)):
            cluster.remove(kind, name)
            await controllers.rest()
            assert list(differences(facts(cluster), wanted)) == [], f"{kind} {name}"


@virtual_time
async def test_the_bots_above_have_every_kind_of_child() -> None:
    found = set(NOT_MADE_YET)
    for spec in BOTS.values():
        cluster, controllers, harness = converging(spec)
        async with harness:
            await controllers.rest()
            found |= {kind for kind, _, _ in children(cluster)}
    assert {kind.name for kind in CHILDREN} - found == set(), "give BOTS one that has these children"


@virtual_time
async def test_a_child_whose_owner_was_taken_away_is_somebody_elses() -> None:
    cluster, controllers, harness = converging({})
    async with harness:
        await controllers.rest()
        own = with_value(cluster.get("Service", "support"), ("metadata", "ownerReferences"), GONE)
        cluster.put_in_place(own)
        await controllers.rest()
        assert cluster.condition("support", "Accepted") == ("False", "NameTaken")
        assert "ownerReferences" not in cluster.get("Service", "support")["metadata"]
