"""Hosts are looked at from outside: what is found, when it counts, and where a probe never goes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from smarter_operator.cluster import Manifest
from smarter_operator.findings import Answer, of_answer, of_dns
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, exposed, provider
from support.operator_harness import SETTINGS, Harness
from support.virtual_time import virtual_time

HOST = "support.acme.example"
PUBLIC = "93.184.216.34"
ROUTE = "192.0.2.1"
MINUTE = 60.0


class World:
    """DNS and the web as a test wants them."""

    def __init__(self, uid: str) -> None:
        self.addresses: tuple[str, ...] | None = (PUBLIC,)
        self.answer = Answer("Identity", uid)
        self.looked_up: list[str] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.hangs = False

    async def resolve(self, host: str) -> tuple[str, ...] | None:
        self.looked_up.append(host)
        if self.hangs:
            await asyncio.Event().wait()
        return self.addresses

    async def ask(self, host: str, addresses: Sequence[str]) -> Answer:
        self.asked.append((host, tuple(addresses)))
        return self.answer


def acme(bot: Manifest | None = None) -> tuple[FakeCluster, World]:
    cluster = FakeCluster()
    cluster.create(provider())
    made = cluster.create(bot or chatbot(exposure=exposed()))
    return cluster, World(made["metadata"]["uid"])


async def serving(harness: Harness) -> None:
    harness.run_pod("support")
    harness.deploy("support")
    harness.route("support")
    await harness.settle()


def probed(cluster: FakeCluster) -> dict[str, tuple[str, str]]:
    return {name: cluster.condition("support", name) for name in ("DNSReady", "Reachable")}


def host_status(cluster: FakeCluster, host: str = HOST) -> dict[str, Any]:
    hosts = cluster.status("Chatbot", "support")["hosts"]
    return next({key: entry.get(key) for key in ("resolved", "reachable")} for entry in hosts if entry["host"] == host)


@virtual_time
async def test_a_bot_that_answers_at_its_host_is_reachable_and_that_costs_one_write_of_status() -> None:
    cluster, world = acme()
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        assert probed(cluster) == {"DNSReady": ("Unknown", "Probing"), "Reachable": ("Unknown", "Probing")}
        assert cluster.condition("support", "Ready") == ("True", "Ready")
        cluster.writes.clear()
        await harness.settle(2 * MINUTE)
        assert probed(cluster) == {"DNSReady": ("True", "Resolved"), "Reachable": ("True", "Reached")}
        assert host_status(cluster) == {"resolved": True, "reachable": True}
        assert cluster.writes == [("status", "Chatbot", "support")]
        cluster.writes.clear()
        await harness.settle(60 * MINUTE)
        assert cluster.writes == []


@virtual_time
async def test_two_odd_results_change_nothing_and_a_third_does() -> None:
    cluster, world = acme()
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(2 * MINUTE)
        right = world.answer
        for odd_results, reachable in ((2, "True"), (3, "False")):
            world.answer = Answer("Identity", "somebody-else")
            before = len(world.asked)
            while len(world.asked) < before + odd_results:
                await harness.settle(1)
            world.answer = right if reachable == "True" else world.answer
            await harness.settle(4)
            assert cluster.condition("support", "Reachable")[0] == reachable
        assert cluster.condition("support", "Reachable")[1] == "AnotherChatbot"
        assert cluster.condition("support", "DNSReady") == ("True", "Resolved")
        assert cluster.condition("support", "Ready") == ("True", "Ready"), "probes inform and decide nothing"
        assert host_status(cluster) == {"resolved": True, "reachable": False}


@virtual_time
async def test_a_restart_keeps_what_was_found_and_writes_nothing() -> None:
    cluster, world = acme()
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(2 * MINUTE)
        answers = harness.pods.answers
    before = cluster.status("Chatbot", "support")
    cluster.writes.clear()
    harness = Harness(cluster, hosts=world)
    harness.pods.answers = answers
    async with harness:
        await harness.settle(30 * MINUTE)
    assert cluster.writes == []
    assert cluster.status("Chatbot", "support") == before


@virtual_time
async def test_a_probe_that_hangs_holds_nothing_up() -> None:
    cluster, world = acme()
    world.hangs = True
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(10 * MINUTE)
        assert world.looked_up == [HOST]
        harness.cluster.edit("Chatbot", "support", spec=chatbot(exposure=exposed(), systemPrompt="New.")["spec"])
        harness.answer("10.0.0.1", "pod-support-0", harness.served("support"))
        await harness.settle()
        assert harness.served("support") == cluster.status("Chatbot", "support")["configHash"]


@virtual_time
async def test_hosts_are_looked_at_every_five_minutes_and_sooner_while_something_changes() -> None:
    cluster, world = acme()
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(2 * MINUTE)
        settled = len(world.asked)
        assert 3 <= settled <= 4
        await harness.settle(60 * MINUTE)
        assert 10 <= len(world.asked) - settled <= 15


@virtual_time
async def test_a_host_that_is_added_is_unknown_until_it_was_looked_at() -> None:
    cluster, world = acme()
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(2 * MINUTE)
        two = {**exposed(), "hosts": [HOST, "new.example"]}
        cluster.edit("Chatbot", "support", spec=chatbot(exposure=two)["spec"])
        harness.route("support")
        await harness.settle()
        assert probed(cluster)["Reachable"] == ("Unknown", "Probing")
        assert host_status(cluster) == {"resolved": True, "reachable": True}
        assert host_status(cluster, "new.example") == {"resolved": None, "reachable": None}
        await harness.settle(2 * MINUTE)
        assert probed(cluster)["Reachable"] == ("True", "Reached")


@virtual_time
async def test_a_host_that_is_not_held_and_a_bot_that_is_offline_or_gone_are_not_looked_at() -> None:
    cluster, world = acme(chatbot(state="Offline", exposure=exposed("offline.example")))
    for namespace in ("first", "second"):
        cluster.create(provider(namespace=namespace))
    cluster.create(chatbot(namespace="first", exposure=exposed("taken.example")))
    async with Harness(cluster, hosts=world) as harness:
        cluster.create(chatbot(namespace="second", exposure=exposed("taken.example", mode="Disabled")))
        await harness.settle(10 * MINUTE)
        assert cluster.condition("support", "Reachable") == ("Unknown", "NotExposed")
        assert set(world.looked_up) == {"taken.example"}
        assert {host for host, _ in world.asked} == {"taken.example"}, "only the holder has HTTPS"
        cluster.remove("Chatbot", "support", "first")
        await harness.settle()
        world.looked_up.clear()
        await harness.settle(10 * MINUTE)
        assert world.looked_up == []


@virtual_time
async def test_nothing_is_looked_at_where_probes_are_off() -> None:
    cluster, world = acme()
    async with Harness(cluster, SETTINGS.model_copy(update={"probe_seconds": 0}), hosts=world) as harness:
        await harness.settle(10 * MINUTE)
        assert world.looked_up == []
        assert probed(cluster) == {"DNSReady": ("Unknown", "NotProbed"), "Reachable": ("Unknown", "NotProbed")}


@pytest.mark.parametrize(
    ("addresses", "asked"),
    [
        pytest.param((PUBLIC, "10.0.0.7"), [PUBLIC], id="public-ones-only"),
        pytest.param((ROUTE,), [ROUTE], id="the-routes-own"),
        pytest.param(("10.96.0.1",), [], id="private"),
        pytest.param(("127.0.0.1", "::1"), [], id="loopback"),
        pytest.param(("169.254.169.254",), [], id="metadata"),
        pytest.param(("::ffff:10.0.0.1", "64:ff9b::a00:1"), [], id="private-in-disguise"),
        pytest.param(("192.0.2.2",), [], id="not-the-routes"),
    ],
)
@virtual_time
async def test_only_public_addresses_and_those_of_the_route_are_dialled(
    addresses: tuple[str, ...], asked: list[str]
) -> None:
    cluster, world = acme()
    world.addresses = addresses
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        await harness.settle(2 * MINUTE)
        assert {address for _, at in world.asked for address in at} == set(asked)
        expected = {"DNSReady": ("True", "Resolved"), "Reachable": ("True", "Reached")}
        nothing = ("Unknown", "NotPublic")
        assert probed(cluster) == (expected if asked else {"DNSReady": nothing, "Reachable": nothing})


@virtual_time
async def test_a_route_at_a_metadata_address_is_not_dialled_either() -> None:
    cluster, world = acme()
    world.addresses = ("169.254.169.254",)
    async with Harness(cluster, hosts=world) as harness:
        await serving(harness)
        entry = {"loadBalancer": {"ingress": [{"ip": "169.254.169.254"}]}}
        cluster.edit("Ingress", "support", status=entry)
        await harness.settle(2 * MINUTE)
        assert world.asked == []


@pytest.mark.parametrize(
    "host", ["kubernetes.default.svc.cluster.local", "db.internal", "printer.local", "shop.localhost", "localhost"]
)
@virtual_time
async def test_names_of_private_networks_are_not_even_looked_up(host: str) -> None:
    cluster, world = acme(chatbot(exposure=exposed(host)))
    async with Harness(cluster, hosts=world) as harness:
        await harness.settle(5 * MINUTE)
        assert world.looked_up == []
        assert probed(cluster) == {"DNSReady": ("Unknown", "NotPublic"), "Reachable": ("Unknown", "NotPublic")}


@pytest.mark.parametrize(
    ("addresses", "verdict"),
    [
        pytest.param((PUBLIC,), ("True", "Resolved"), id="resolved"),
        pytest.param((), ("False", "NotFound"), id="no-such-name"),
        pytest.param(None, ("Unknown", "NoAnswer"), id="no-dns"),
        pytest.param(("10.0.0.1",), ("Unknown", "NotPublic"), id="split-horizon"),
    ],
)
def test_what_an_answer_of_dns_means(addresses: tuple[str, ...] | None, verdict: tuple[str, str]) -> None:
    status, reason, message = of_dns(HOST, addresses, [ROUTE])
    assert (status, reason) == verdict
    assert repr(HOST) in message
    assert (ROUTE in message) == (reason == "NotFound")
    assert "10.0.0.1" not in message


@pytest.mark.parametrize(
    ("answer", "at_route", "verdict"),
    [
        pytest.param(Answer("Identity", "me"), False, ("True", "Reached"), id="the-bot"),
        pytest.param(Answer("Identity", "other"), False, ("False", "AnotherChatbot"), id="another-bot"),
        pytest.param(Answer("Other"), True, ("False", "AnotherAnswer"), id="the-routes-controller-has-no-route"),
        pytest.param(Answer("Other"), False, ("Unknown", "AnotherAnswer"), id="perhaps-a-cdn"),
        pytest.param(Answer("BadCertificate"), False, ("False", "BadCertificate"), id="expired"),
        pytest.param(Answer("Untrusted"), False, ("Unknown", "UntrustedCertificate"), id="private-authority"),
        pytest.param(Answer("NoConnection"), True, ("Unknown", "NoConnection"), id="perhaps-no-hairpin"),
    ],
)
def test_what_an_answer_of_the_host_means(answer: Answer, at_route: bool, verdict: tuple[str, str]) -> None:
    status, reason, message = of_answer(HOST, "me", answer, at_route=at_route)
    assert (status, reason) == verdict
    assert repr(HOST) in message
