"""Addresses and ports of a cluster: disjoint for every cluster on the machine, chosen once and then kept."""

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster.errors import ClusterError
from smarter_cluster.programs import Profile, up_to

CLUSTERS = range(16)
PORTS: Mapping[Profile, Mapping[str, int]] = {
    "api": {"kube-apiserver": 6443, "etcd": 2379, "etcd-peer": 2380, "kube-controller-manager": 10257},
    "node": {"kube-scheduler": 10259, "coredns": 1053, "coredns-health": 1080, "coredns-ready": 1081},
    "full": {
        "https": 443,
        "http": 8880,
        "contour-xds": 8001,
        "contour-http": 8800,
        "contour-debug": 6060,
        "envoy-stats": 8802,
        "cert-manager-metrics": 9402,
        "cert-manager-health": 9403,
    },
}
# Where the search goes on when a port is taken that only root may use.
UNPRIVILEGED = 8443

Network = ipaddress.IPv4Network


@dataclass(frozen=True)
class Addresses:
    """The networks of cluster number `index`: pods, services, and the link between the machine and its node."""

    index: int

    @property
    def pods(self) -> Network:
        return Network((f"10.244.{4 * self.index}.0", 22))

    @property
    def services(self) -> Network:
        # Room for 65,000 Services: the benchmark has 10,000 Chatbots. All lie in Kubernetes' usual 10.96.0.0/12.
        return Network((f"10.{96 + self.index}.0.0", 16))

    @property
    def link(self) -> Network:
        return Network((f"10.245.{self.index}.0", 30))

    @property
    def host(self) -> str:
        return str(self.link[1])

    @property
    def node(self) -> str:
        return str(self.link[2])

    @property
    def api_service(self) -> str:
        return str(self.services[1])

    @property
    def dns(self) -> str:
        return str(self.services[10])

    def all(self) -> tuple[Network, ...]:
        return (self.pods, self.services, self.link)


def choose_index(taken: Collection[int], routes: Iterable[Network]) -> int:
    """The first number whose networks nobody on this machine uses."""
    present = list(routes)
    for index in CLUSTERS:
        overlap = any(own.overlaps(other) for own in Addresses(index).all() for other in present)
        if index not in taken and not overlap:
            return index
    raise ClusterError(f"All {len(CLUSTERS)} address ranges for clusters are taken; end one with `down --name NAME`.")


def choose_ports(
    profile: Profile, taken: Collection[int], is_free: Callable[[int], bool], known: Mapping[str, int]
) -> dict[str, int]:
    """A port for all that listens in `profile`: the known one, else the usual one, else the next that is free."""
    chosen = dict(known)
    usual_ports = {name: port for part in up_to(profile) for name, port in PORTS[part].items()}
    for name, usual in usual_ports.items():
        used = {*taken, *chosen.values()}
        next_ones = range(max(usual + 1, UNPRIVILEGED if usual < 1024 else 0), 65536)
        candidates = (port for port in (usual, *next_ones) if port not in used and is_free(port))
        if name not in known:
            chosen[name] = next(candidates)
    return chosen


def is_free(port: int) -> bool:
    """Whether this process could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def routes(table: Path = Path("/proc/net/route")) -> list[Network]:
    """The networks this machine has a route to, but for the default route."""
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.is_file() else []
    found = [Network((_address(row[1]), str(_address(row[7])))) for row in rows]
    return [network for network in found if network.prefixlen]


def _address(little_endian_hex: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bytes.fromhex(little_endian_hex)[::-1])
