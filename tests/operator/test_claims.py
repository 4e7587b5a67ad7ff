"""Who gets a host, who keeps it, and when it is free for others."""

from datetime import UTC, datetime
from typing import Any

import pytest

from smarter_operator.cache import Cache
from smarter_operator.claims import HostClaims
from smarter_operator.cluster import Manifest, Rejected
from smarter_operator.kinds import CHATBOT, HOST_CLAIM
from smarter_operator.settings import Settings
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, provider
from support.operator_harness import Harness
from support.virtual_time import virtual_time

HOST = "shop.example"
DAY = 24 * 3600
BASE = {"platform": {"base_domain": "bots.example"}}
CONTESTED = {"hosts": [HOST, "{name}.{namespace}.example"], "tls": exposed()["tls"]}


def cluster_of(*bots: Manifest) -> FakeCluster:
    cluster = FakeCluster()
    for namespace in sorted({bot["metadata"]["namespace"] for bot in bots} | {"acme"}):
        cluster.create(provider(namespace=namespace))
    for bot in bots:
        cluster.create(bot)
    return cluster


def settings_with(**members: Any) -> Settings:
    return Settings.model_validate({"runtime_image": "runtime:1"} | members)


def hosts_of(cluster: FakeCluster, namespace: str = "acme") -> dict[str, bool]:
    """Return what the bot's status says about who holds its hosts."""
    return {host["host"]: host["claimed"] for host in cluster.get("Chatbot", "support", namespace)["status"]["hosts"]}


def routed(cluster: FakeCluster, namespace: str = "acme") -> list[str]:
    return [rule["host"] for rule in cluster.get("Ingress", "support", namespace)["spec"]["rules"]]


def accepted(cluster: FakeCluster, namespace: str) -> tuple[str, str, str]:
    """Return what `HostsAccepted` says of the bot."""
    conditions = cluster.get("Chatbot", "support", namespace)["status"]["conditions"]
    found = next(condition for condition in conditions if condition["type"] == "HostsAccepted")
    return found["status"], found["reason"], found["message"]


def delete_with_children(cluster: FakeCluster, namespace: str = "acme") -> None:
    """Delete the bot, and what the garbage collector deletes with it."""
    cluster.remove("Chatbot", "support", namespace)
    kept = ("Chatbot", "Provider", "HostClaim")
    for kind, where, name in [key for key in cluster.objects if key[0] not in kept and key[1] == namespace]:
        cluster.remove(kind, name, where)


@virtual_time
async def test_the_first_gets_the_host_and_the_other_serves_the_rest_of_its_hosts() -> None:
    cluster = cluster_of(chatbot(exposure=CONTESTED))
    async with Harness(cluster) as harness:
        cluster.create(provider(namespace="beta"))
        cluster.create(chatbot(namespace="beta", exposure=CONTESTED))
        await harness.settle()
        assert cluster.claims()[HOST] == ("acme", "support")
        assert accepted(cluster, "acme")[:2] == ("True", "Claimed")
        status, reason, message = accepted(cluster, "beta")
        assert (status, reason) == ("False", "HostTaken")
        assert "'shop.example' is held by Chatbot 'acme/support'" in message
        assert hosts_of(cluster, "beta") == {HOST: False, "support.beta.example": True}
        assert routed(cluster, "beta") == ["support.beta.example"]
        certified = [
            m["spec"]["dnsNames"]
            for (kind, ns, _), m in cluster.objects.items()
            if (kind, ns) == ("Certificate", "beta")
        ]
        assert certified == [["support.beta.example"]]
        assert cluster.get("Chatbot", "support", "beta")["status"]["url"] == "https://support.beta.example"
        assert routed(cluster) == [HOST, "support.acme.example"]


@virtual_time
async def test_without_any_host_of_its_own_the_loser_has_no_route_and_says_why() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster) as harness:
        cluster.create(provider(namespace="beta"))
        cluster.create(chatbot(namespace="beta", exposure=exposed(HOST)))
        await harness.settle()
        assert ("Ingress", "beta", "support") not in cluster.objects
        assert ("Deployment", "beta", "support") in cluster.objects
        assert accepted(cluster, "beta")[1] == "HostTaken"


@virtual_time
async def test_two_default_hosts_that_are_the_same_belong_to_the_first() -> None:
    cluster = cluster_of(chatbot("a", "b-c"))
    async with Harness(cluster, settings_with(**BASE)) as harness:
        cluster.create(provider(namespace="c"))
        cluster.create(chatbot("a-b", "c"))
        await harness.settle()
        assert cluster.claims() == {"a-b-c.bots.example": ("b-c", "a")}
        assert ("Ingress", "b-c", "a") in cluster.objects
        assert ("Ingress", "c", "a-b") not in cluster.objects


@virtual_time
async def test_a_host_is_free_a_day_after_its_last_use_and_then_goes_to_who_waits() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster) as harness:
        cluster.create(provider(namespace="beta"))
        cluster.create(chatbot(namespace="beta", exposure=CONTESTED))
        await harness.settle()
        cluster.edit("Chatbot", "support", spec=chatbot(exposure=exposed())["spec"])
        await harness.settle()
        assert "lastUsedTime" in cluster.get("HostClaim", HOST)["spec"]
        await harness.settle(DAY - 60)
        assert hosts_of(cluster, "beta")[HOST] is False
        await harness.settle(120)
        assert cluster.claims()[HOST] == ("beta", "support")
        assert routed(cluster, "beta") == [HOST, "support.beta.example"]
        assert accepted(cluster, "beta")[:2] == ("True", "Claimed")


@virtual_time
async def test_a_deleted_chatbot_releases_its_hosts() -> None:
    cluster = cluster_of(chatbot(exposure=CONTESTED))
    async with Harness(cluster) as harness:
        delete_with_children(cluster)
        await harness.settle()
        assert cluster.claims() == {}
        await harness.settle(DAY)
        assert [key for key in cluster.objects if key[0] == "HostClaim"] == []


@virtual_time
async def test_what_was_deleted_while_no_operator_ran_is_released_by_the_next() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster):
        pass
    delete_with_children(cluster)
    async with Harness(cluster) as harness:
        assert cluster.claims() == {}
        await harness.settle(DAY / 2)
    async with Harness(cluster) as harness:
        assert ("HostClaim", "", HOST) in cluster.objects
        await harness.settle(DAY)
        assert ("HostClaim", "", HOST) not in cluster.objects


@virtual_time
async def test_an_operator_of_other_namespaces_releases_no_host_whose_holder_it_cannot_see() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster):
        pass
    delete_with_children(cluster)
    async with Harness(cluster, settings_with(watch_namespaces=["elsewhere"])) as harness:
        await harness.settle(3 * DAY)
        assert ("HostClaim", "", HOST) in cluster.objects


@virtual_time
async def test_a_chatbot_made_anew_under_its_old_name_has_its_host_at_once() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster) as harness:
        delete_with_children(cluster)
        await harness.settle()
        cluster.create(provider(namespace="beta"))
        cluster.create(chatbot(namespace="beta", exposure=exposed(HOST)))
        made = cluster.create(chatbot(exposure=exposed(HOST)))
        await harness.settle()
        assert cluster.get("HostClaim", HOST)["spec"] == {
            "holder": {"namespace": "acme", "name": "support", "uid": made["metadata"]["uid"]}
        }
        assert routed(cluster) == [HOST]
        assert accepted(cluster, "beta")[1] == "HostTaken"


@virtual_time
async def test_a_host_stays_with_the_bot_while_a_route_of_its_last_good_spec_leads_to_it() -> None:
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    async with Harness(cluster) as harness:
        broken = chatbot(timeZone="Nowhere", exposure=exposed("new.example"))
        cluster.edit("Chatbot", "support", spec=broken["spec"])
        await harness.settle(3 * DAY)
        assert routed(cluster) == [HOST]
        assert cluster.claims() == {HOST: ("acme", "support")}
        assert accepted(cluster, "acme")[:2] == ("Unknown", "NotClaimed")


@virtual_time
async def test_a_chatbot_that_is_not_accepted_claims_nothing() -> None:
    cluster = cluster_of(chatbot(timeZone="Nowhere", exposure=exposed(HOST)))
    async with Harness(cluster):
        assert cluster.claims() == {}


@virtual_time
async def test_a_claim_of_its_own_that_was_not_seen_yet_counts_all_the_same() -> None:
    cluster = cluster_of()
    async with Harness(cluster) as harness:
        cluster.on_change = lambda kind, manifest, gone: None
        bot = cluster.create(chatbot(exposure=exposed(HOST)))
        spec = {"holder": {key: bot["metadata"][key] for key in ("namespace", "name", "uid")}}
        cluster.create({"kind": "HostClaim", "metadata": {"name": HOST}, "spec": spec})
        harness.engine.event(CHATBOT, bot, gone=False)
        await harness.settle()
        assert routed(cluster) == [HOST]
        assert accepted(cluster, "acme")[:2] == ("True", "Claimed")


@virtual_time
async def test_an_offline_chatbot_keeps_its_hosts() -> None:
    cluster = cluster_of(chatbot(state="Offline", exposure=exposed(HOST)))
    async with Harness(cluster) as harness:
        await harness.settle(3 * DAY)
        assert cluster.claims() == {HOST: ("acme", "support")}


SHOPS = {"namespaceSelector": {"matchLabels": {"team": "shop"}}, "hosts": ["shop.example", "*.shops.example"]}
ALL = {"namespaceSelector": {}, "hosts": ["*.open.example"]}


@pytest.mark.parametrize(
    ("host", "labels", "settings", "allowed"),
    [
        pytest.param("any.example", {}, {}, True, id="without-policies-every-host"),
        pytest.param("support-acme.bots.example", {}, BASE, True, id="its-own-default-host"),
        pytest.param("mine.bots.example", {}, BASE, False, id="below-the-base-domain"),
        pytest.param("bots.example", {}, BASE, False, id="the-base-domain"),
        pytest.param("robots.example", {}, BASE, True, id="a-name-that-only-ends-like-it"),
        pytest.param("shop.example", {"team": "shop"}, {"host_policies": [SHOPS]}, True, id="exact"),
        pytest.param("a.b.shops.example", {"team": "shop"}, {"host_policies": [SHOPS]}, True, id="below-a-wildcard"),
        pytest.param("shops.example", {"team": "shop"}, {"host_policies": [SHOPS]}, False, id="the-wildcards-own-name"),
        pytest.param("shop.example", {"team": "hr"}, {"host_policies": [SHOPS]}, False, id="another-namespace"),
        pytest.param("x.open.example", {"team": "hr"}, {"host_policies": [SHOPS, ALL]}, True, id="for-everybody"),
        pytest.param(
            "support-acme.bots.example", {}, {**BASE, "host_policies": [SHOPS]}, True, id="default-host-needs-no-policy"
        ),
        pytest.param(
            "mine.bots.example",
            {},
            {**BASE, "host_policies": [{"namespaceSelector": {}, "hosts": ["*.bots.example"]}]},
            False,
            id="no-policy-opens-the-base-domain",
        ),
    ],
)
@virtual_time
async def test_which_hosts_a_namespace_may_use(
    host: str, labels: dict[str, str], settings: dict[str, Any], allowed: bool
) -> None:
    cluster = cluster_of(chatbot(exposure=exposed(host, mode="Disabled")))
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme", "labels": labels}})
    async with Harness(cluster, settings_with(**settings)):
        assert hosts_of(cluster)[host] is allowed
        assert (host in cluster.claims()) is allowed
        if not allowed:
            status, reason, message = accepted(cluster, "acme")
            assert (status, reason) == ("False", "HostForbidden")
            assert f"Host {host!r}" in message or f"host {host!r}" in message
            assert "remove it from `spec.exposure.hosts`" in message


@virtual_time
async def test_a_namespace_that_gets_the_label_of_a_policy_may_use_its_hosts_at_once() -> None:
    settings = settings_with(host_policies=[SHOPS])
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme"}})
    async with Harness(cluster, settings) as harness:
        assert accepted(cluster, "acme")[1] == "HostForbidden"
        metadata = cluster.get("Namespace", "acme")["metadata"]
        cluster.edit("Namespace", "acme", metadata={**metadata, "labels": {"team": "shop"}})
        await harness.settle()
        assert cluster.claims() == {HOST: ("acme", "support")}
        assert routed(cluster) == [HOST]
        cluster.edit("Namespace", "acme", metadata=metadata)
        await harness.settle()
        assert ("Ingress", "acme", "support") not in cluster.objects
        await harness.settle(DAY)
        assert ("HostClaim", "", HOST) not in cluster.objects


@pytest.mark.parametrize(
    ("expression", "labels", "selected"),
    [
        pytest.param({"operator": "In", "values": ["a", "b"]}, {"team": "b"}, True, id="in"),
        pytest.param({"operator": "In", "values": ["a"]}, {}, False, id="in-without-the-label"),
        pytest.param({"operator": "NotIn", "values": ["a"]}, {}, True, id="not-in-without-the-label"),
        pytest.param({"operator": "NotIn", "values": ["a"]}, {"team": "a"}, False, id="not-in"),
        pytest.param({"operator": "Exists"}, {"team": ""}, True, id="exists"),
        pytest.param({"operator": "DoesNotExist"}, {"team": ""}, False, id="does-not-exist"),
    ],
)
@virtual_time
async def test_policies_select_namespaces_as_kubernetes_does(
    expression: dict[str, Any], labels: dict[str, str], selected: bool
) -> None:
    policy = {"namespaceSelector": {"matchExpressions": [{"key": "team"} | expression]}, "hosts": [HOST]}
    settings = settings_with(host_policies=[policy])
    cluster = cluster_of(chatbot(exposure=exposed(HOST)))
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme", "labels": labels}})
    async with Harness(cluster, settings):
        assert (HOST in cluster.claims()) is selected


@virtual_time
async def test_a_host_that_somebody_else_got_since_it_was_found_free_is_left_to_them() -> None:
    cluster, cache = cluster_of(chatbot(namespace="rival", exposure=CONTESTED), chatbot(exposure=CONTESTED)), Cache()
    claims = HostClaims(cluster, cache, settings_with(), lambda: datetime(2026, 3, 14, tzinfo=UTC))
    late, rival = (cluster.get("Chatbot", "support", namespace) for namespace in ("acme", "rival"))
    found_free = claims.standings(late, [HOST])
    await claims.claim(rival, claims.standings(rival, [HOST]))
    [standing] = await claims.claim(late, found_free)
    assert (found_free[0].claim, standing.claim) == ("Free", "Taken")
    held_by = (await cluster.read(HOST_CLAIM, "", HOST) or {})["spec"]["holder"]["namespace"]
    assert held_by == "rival"


@virtual_time
async def test_a_claim_that_admission_refuses_is_a_reason_and_is_tried_again() -> None:
    cluster = cluster_of(chatbot(exposure=CONTESTED))
    refusal = Rejected("cannot post HostClaim: no such hosts here")
    cluster.refuse = lambda verb, manifest: refusal if manifest["metadata"].get("name") == HOST else None
    async with Harness(cluster) as harness:
        own = "support.acme.example"
        status, reason, message = accepted(cluster, "acme")
        assert (status, reason) == ("False", "ClaimRefused")
        assert "no such hosts here The others (1) are served." in message
        assert (hosts_of(cluster), routed(cluster)) == ({HOST: False, own: True}, [own])
        cluster.refuse = lambda verb, manifest: None
        await harness.settle(60)
        assert hosts_of(cluster) == {HOST: True, own: True}
