from collections.abc import Callable
from pathlib import Path

import pytest

from smarter_cluster import network
from smarter_cluster.errors import ClusterError
from smarter_cluster.network import Addresses, Network
from smarter_cluster.programs import Profile


def free_except(*taken: int) -> Callable[[int], bool]:
    return lambda port: port not in taken


def test_the_networks_of_all_clusters_are_disjoint() -> None:
    every = [own for index in network.CLUSTERS for own in Addresses(index).all()]
    assert not [
        (one, other) for position, one in enumerate(every) for other in every[position + 1 :] if one.overlaps(other)
    ]


def test_the_first_cluster_has_the_addresses_everybody_knows() -> None:
    first = Addresses(0)
    assert (first.api_service, first.dns, first.host, first.node) == (
        "10.96.0.1",
        "10.96.0.10",
        "10.245.0.1",
        "10.245.0.2",
    )


@pytest.mark.parametrize(
    ("taken", "present", "chosen"),
    [
        pytest.param((), (), 0, id="nothing-there"),
        pytest.param((0, 1), (), 2, id="other-clusters"),
        pytest.param((), ("10.244.0.0/16",), None, id="someone-routes-all-pod-networks"),
        pytest.param((), ("10.96.0.0/20", "10.245.1.0/30"), 2, id="someone-routes-parts"),
        pytest.param((), ("192.168.0.0/16",), 0, id="unrelated-route"),
    ],
)
def test_a_new_cluster_gets_networks_that_nobody_uses(
    taken: tuple[int, ...], present: tuple[str, ...], chosen: int | None
) -> None:
    routes = [Network(text) for text in present]
    if chosen is None:
        with pytest.raises(ClusterError, match="down --name NAME"):
            network.choose_index(taken, routes)
    else:
        assert network.choose_index(taken, routes) == chosen


@pytest.mark.parametrize(
    ("profile", "taken", "busy", "expected"),
    [
        pytest.param("api", (), (), {"kube-apiserver": 6443, "etcd": 2379, "etcd-peer": 2380}, id="usual"),
        pytest.param("api", (), (6443, 6444), {"kube-apiserver": 6445}, id="busy-on-the-machine"),
        pytest.param("api", (2379,), (), {"etcd": 2380, "etcd-peer": 2381}, id="promised-to-another-cluster"),
        pytest.param("full", (), (443,), {"https": 8443}, id="https-falls-back-to-a-high-port"),
        pytest.param("full", (), (), {"https": 443}, id="https-usual"),
    ],
)
def test_ports_are_the_usual_ones_or_the_next_free(
    profile: Profile, taken: tuple[int, ...], busy: tuple[int, ...], expected: dict[str, int]
) -> None:
    chosen = network.choose_ports(profile, taken, free_except(*busy), known={})
    assert chosen.items() >= expected.items()
    assert len(set(chosen.values())) == len(chosen)


def test_a_port_chosen_before_stays_even_though_the_cluster_itself_listens_on_it_now() -> None:
    known = {"kube-apiserver": 7000, "etcd": 2379, "etcd-peer": 2380, "kube-controller-manager": 10257}
    chosen = network.choose_ports("node", known.values(), free_except(*known.values()), known=known)
    assert chosen.items() >= known.items()
    assert "coredns" in chosen
    assert "https" not in chosen


def test_routes_are_read_from_the_kernels_table(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100F50A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "smarter0\t0000F40A\t0200F50A\t0003\t0\t0\t0\t00FCFFFF\t0\t0\t0\n"
    )
    assert network.routes(table) == [Network("10.244.0.0/22")]
