"""APIs of other products may be missing, come and go; the operator notices and harms nothing."""

from typing import Any

import pytest

from smarter_operator.cluster import Manifest
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

GATEWAY = {"type": "HTTPRoute", "hosts": ["support.acme.example"], "gatewayRef": {"name": "public"}}


def lacking(*kinds: str, **bots: Manifest) -> FakeCluster:
    """Return a cluster without the APIs of these kinds, with a bot for each exposure."""
    cluster = FakeCluster()
    cluster.missing_apis |= set(kinds)
    cluster.create(provider())
    for name, exposure in bots.items():
        cluster.create(chatbot(name, exposure=exposure))
    return cluster


def calls(cluster: FakeCluster, kind: str) -> int:
    return len([1 for found, _ in cluster.reads if found == kind]) + len([1 for _, k, _ in cluster.writes if k == kind])


@pytest.mark.parametrize(
    ("kind", "exposure", "condition", "reason"),
    [
        pytest.param("Certificate", exposed(), "CertificateReady", "CertManagerMissing", id="cert-manager"),
        pytest.param("HTTPRoute", GATEWAY, "RouteReady", "GatewayApiMissing", id="gateway-api"),
        pytest.param(
            "ListenerSet", GATEWAY | {"tls": exposed()["tls"]}, "RouteReady", "ListenerSetMissing", id="listener-sets"
        ),
    ],
)
@virtual_time
async def test_a_missing_api_is_a_reason_until_it_comes(
    kind: str, exposure: Manifest, condition: str, reason: str
) -> None:
    async with Harness(lacking(kind, support=exposure)) as harness:
        cluster = harness.cluster
        assert cluster.condition("support", condition) == ("False", reason)
        assert cluster.condition("support", "Accepted") == ("True", "Accepted")
        assert ("Deployment", "acme", "support") in cluster.objects
        cluster.missing_apis.clear()
        await harness.settle(20)
        assert [name for found, _, name in cluster.objects if found == kind]
        assert cluster.condition("support", condition)[1] != reason


@virtual_time
async def test_a_missing_api_is_asked_for_now_and_then_however_many_bots_want_it() -> None:
    bots: dict[str, Any] = {f"bot-{number}": exposed(f"{number}.example") for number in range(30)}
    async with Harness(lacking("Certificate", **bots)) as harness:
        await harness.settle(30)
        before = calls(harness.cluster, "Certificate")
        harness.cluster.writes.clear()
        await harness.settle(300)
        asked = calls(harness.cluster, "Certificate") - before + len(harness.cluster.writes)
        assert 0 < asked <= 21, "once in 15 seconds"
        assert harness.cluster.writes == [], "nothing is written in vain"


@virtual_time
async def test_an_api_that_is_known_to_be_there_is_not_asked_for_again_until_it_goes() -> None:
    async with Harness(lacking(first=exposed("first.example"))) as harness:
        cluster = harness.cluster
        asked = [name for kind, name in cluster.reads if kind == "Certificate"]
        cluster.create(chatbot("second", exposure=exposed("second.example")))
        await harness.settle()
        assert [name for kind, name in cluster.reads if kind == "Certificate"] == asked
        cluster.missing_apis.add("Certificate")
        cluster.create(chatbot("third", exposure=exposed("third.example")))
        await harness.settle()
        assert cluster.condition("third", "CertificateReady") == ("False", "CertManagerMissing")
        assert ("Deployment", "acme", "third") in cluster.objects


@virtual_time
async def test_a_change_of_a_bot_asks_no_more_for_an_api_that_was_just_missing() -> None:
    async with Harness(lacking("Certificate", support=exposed())) as harness:
        await harness.settle(14)
        before = calls(harness.cluster, "Certificate")
        for prompt in "abc":
            harness.cluster.edit("Chatbot", "support", spec=chatbot(systemPrompt=prompt, exposure=exposed())["spec"])
            await harness.settle(0.1)
        assert calls(harness.cluster, "Certificate") - before <= 1


@virtual_time
async def test_a_users_own_object_is_safe_in_an_api_that_comes_back() -> None:
    async with Harness(lacking("HTTPRoute", support=GATEWAY)) as harness:
        cluster = harness.cluster
        cluster.missing_apis.clear()
        own = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "support"}}
        before = cluster.create(own)
        await harness.settle(20)
        assert cluster.get("HTTPRoute", "support") == before
        assert cluster.condition("support", "Accepted") == ("False", "NameTaken")


@virtual_time
async def test_an_api_that_goes_takes_only_its_own_children_along() -> None:
    async with Harness(lacking(support=GATEWAY)) as harness:
        cluster = harness.cluster
        cluster.missing_apis.add("HTTPRoute")
        cluster.remove("HTTPRoute", "support")
        await harness.settle(20)
        assert cluster.condition("support", "RouteReady") == ("False", "GatewayApiMissing")
        assert ("Service", "acme", "support") in cluster.objects


@pytest.mark.parametrize(
    ("before", "after", "gone", "made"),
    [
        pytest.param(exposed(), GATEWAY, "Ingress", "HTTPRoute", id="to-a-gateway"),
        pytest.param(GATEWAY, exposed(), "HTTPRoute", "Ingress", id="to-an-ingress"),
    ],
)
@virtual_time
async def test_another_type_of_route_replaces_the_first(
    before: Manifest, after: Manifest, gone: str, made: str
) -> None:
    async with Harness(lacking(support=before)) as harness:
        cluster = harness.cluster
        cluster.edit("Chatbot", "support", spec=chatbot(exposure=after)["spec"])
        await harness.settle()
        kinds = {kind for kind, _, _ in cluster.objects}
        assert made in kinds
        assert gone not in kinds
        writes = [(verb, kind) for verb, kind, _ in cluster.writes if kind in (gone, made)]
        assert writes[-2:] == [("apply", made), ("delete", gone)]


@virtual_time
async def test_the_old_route_stays_while_the_new_one_cannot_be_made() -> None:
    async with Harness(lacking("HTTPRoute", support=exposed())) as harness:
        cluster = harness.cluster
        cluster.edit("Chatbot", "support", spec=chatbot(exposure=GATEWAY)["spec"])
        await harness.settle()
        assert ("Ingress", "acme", "support") in cluster.objects
        assert cluster.condition("support", "RouteReady") == ("False", "GatewayApiMissing")
        cluster.missing_apis.clear()
        await harness.settle(20)
        assert ("Ingress", "acme", "support") not in cluster.objects


@virtual_time
async def test_without_a_prometheus_operator_a_bot_is_ready_and_nothing_is_said() -> None:
    async with Harness(lacking("PodMonitor", support=exposed())) as harness:
        cluster = harness.cluster
        harness.run_pod("support")
        harness.deploy("support")
        harness.route("support")
        await harness.settle()
        assert cluster.condition("support", "Ready") == ("True", "Ready")
        assert "Monitor" not in str(cluster.status("Chatbot", "support"))
        assert [write for write in cluster.writes if write[1] == "PodMonitor"] == []


@virtual_time
async def test_a_prometheus_operator_that_comes_later_gets_its_monitors() -> None:
    async with Harness(lacking("PodMonitor", support=exposed(), other=exposed("other.example"))) as harness:
        cluster = harness.cluster
        await harness.settle(60)
        before = calls(cluster, "PodMonitor")
        await harness.settle(100)
        assert calls(cluster, "PodMonitor") - before <= 2, "it is waited for with patience"
        cluster.missing_apis.clear()
        await harness.settle(450)
        assert {name for kind, _, name in cluster.objects if kind == "PodMonitor"} == {"support", "other"}


@virtual_time
async def test_a_bot_that_goes_offline_is_not_monitored() -> None:
    async with Harness(lacking(support=exposed())) as harness:
        assert ("PodMonitor", "acme", "support") in harness.cluster.objects
        harness.cluster.edit("Chatbot", "support", spec=chatbot(state="Offline", exposure=exposed())["spec"])
        await harness.settle()
        assert ("PodMonitor", "acme", "support") not in harness.cluster.objects


@virtual_time
async def test_a_bot_behind_a_gateway_becomes_ready_when_its_route_is_accepted() -> None:
    async with Harness(lacking(support=GATEWAY)) as harness:
        cluster = harness.cluster
        harness.run_pod("support")
        harness.deploy("support")
        await harness.settle()
        assert cluster.condition("support", "Ready") == ("False", "NoGateway")
        generation = cluster.get("HTTPRoute", "support")["metadata"]["generation"]
        yes = [
            {"type": name, "status": "True", "observedGeneration": generation} for name in ("Accepted", "ResolvedRefs")
        ]
        answer = {"parentRef": {"name": "public"}, "conditions": yes}
        cluster.edit("HTTPRoute", "support", status={"parents": [answer]})
        await harness.settle()
        assert cluster.condition("support", "Ready") == ("True", "Ready")
        assert cluster.status("Chatbot", "support")["url"] == "https://support.acme.example"
