"""The NetworkPolicy of a chatbot's pods: who may reach them, and where they may go.

Names of hosts cannot be said in it; which addresses a name may lead to is the runtime's own check.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import urlsplit

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Compiled
from smarter_crds.runtime_config import API_PORT, STATUS_PORT, RuntimeConfig
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_crds.workload import NetworkPolicy
from smarter_operator import names
from smarter_operator.cluster import Manifest
from smarter_operator.resources.metadata import metadata
from smarter_operator.settings import Settings

Network = IPv4Network | IPv6Network
Rule = dict[str, Any]

_NOT_PUBLIC_V4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
)  # fmt: skip
_NAT64 = ip_network("64:ff9b::/96")
_NOT_PUBLIC_V6 = ("64:ff9b:1::/48", "fc00::/7", "fe80::/10", "fec0::/10")

# Where clouds hand out credentials to whoever asks from inside; no `allowedCIDRs` opens these.
_METADATA = tuple(
    ip_network(text)
    for text in (
        "100.100.100.200/32", "168.63.129.16/32", "169.254.42.42/32", "169.254.169.0/24", "169.254.170.0/24",
        "192.0.0.192/32", "fd00:42::42/128", "fd00:ec2::/32", "fd20:ce::254/128", "fe80::a9fe:a9fe/128",
    )
)  # fmt: skip

_HTTPS = 443
_PORTS = {"https": _HTTPS, "http": 80, "socks5": 1080}
_DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
_OPERATOR_PODS = {"matchLabels": {"app.kubernetes.io/name": "smarter-operator"}}


def network_policy(chatbot: Chatbot, compiled: Compiled, settings: Settings) -> Manifest:
    assert compiled.config is not None
    asked = chatbot.spec.network_policy or NetworkPolicy()
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(chatbot, chatbot.metadata.name),
        "spec": {
            "podSelector": {"matchLabels": names.selector(chatbot.metadata.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [_tcp(API_PORT)]}, *_status_readers(settings)],
            "egress": [_DNS, *_out(compiled.config), *map(_completed, asked.extra_egress)],
        },
    }


def _status_readers(settings: Settings) -> Iterator[Rule]:
    """Yield who may read status and metrics. Without any peer there is no rule: one without peers is open to all."""
    peers = []
    if operators := settings.operator_namespaces():
        peers.append({"namespaceSelector": operators, "podSelector": _OPERATOR_PODS})
    readers = settings.network_policy
    for selector in (readers.prometheus_namespace_selector, readers.usage_namespace_selector):
        if namespaces := selector.manifest():
            peers.append({"namespaceSelector": namespaces})
    if peers:
        yield {"from": peers, "ports": [_tcp(STATUS_PORT)]}


def _out(config: RuntimeConfig) -> Iterator[Rule]:
    dialled = list(_dialled(config))
    public = {*(port for port, _ in dialled), *([_HTTPS] if "CurrentWeather" in config.functions else [])}
    if public:
        yield {"to": [_public(4), _public(6)], "ports": [_tcp(port) for port in sorted(public)]}
    # Beside each port only the networks of those that are reached by it.
    for port in sorted({port for port, _ in dialled}):
        opened = {cidr for used, cidrs in dialled if used == port for cidr in cidrs}
        if blocks := [block for network in sorted(map(_plain, opened), key=str) for block in _opened(network)]:
            yield {"to": blocks, "ports": [_tcp(port)]}


def _dialled(config: RuntimeConfig) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield each port that is dialled, with the networks that are open to it beside the public ones."""
    for url, allowed in _addresses(config):
        if port := _port(url):
            yield port, allowed
    for database in config.sql_connections.values():
        if port := _database_port(database):
            yield port, database.allowed_cidrs
    if config.store:
        yield config.store.port, config.store.allowed_cidrs


def _addresses(config: RuntimeConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from ((provider.base_url, provider.allowed_cidrs) for provider in config.providers.values())
    if config.access.identity:
        yield config.access.identity.jwks_url, config.access.identity.allowed_cidrs
    for connection in config.api_connections.values():
        # Behind a proxy, the API is reached by the proxy alone.
        urls = [connection.proxy.url] if connection.proxy else [connection.base_url, connection.auth.token_url]
        yield from ((url, connection.allowed_cidrs) for url in urls)


def _database_port(database: SqlConnectionConfig) -> int | None:
    """Return the port that the pod itself dials to get to a database; None for a file."""
    if database.ssh_tunnel:
        return database.ssh_tunnel.port
    return _port(database.proxy.url) if database.proxy else database.port or None


def _port(url: str) -> int | None:
    """Return the port that `url` dials; None for a Provider that dials nothing, or an address that is none."""
    parts = urlsplit(url)
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None


def _public(version: int) -> Rule:
    if version == 4:
        return {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_NOT_PUBLIC_V4)}}
    # A NAT64 gateway would lead to the private IPv4 networks.
    translated = [f"{_NAT64.network_address + int(net.network_address)}/{96 + net.prefixlen}" for net in _v4_networks()]
    return {"ipBlock": {"cidr": "::/0", "except": [*translated, *_NOT_PUBLIC_V6]}}


def _v4_networks() -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(text) for text in _NOT_PUBLIC_V4)


def _plain(cidr: str) -> Network:
    """Return the network; one of IPv4 addresses written as IPv6 is what it stands for."""
    network = ip_network(cidr)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def _opened(network: Network) -> Iterator[Rule]:
    if any(_within(network, metadata_network) for metadata_network in _METADATA):
        return
    inside = [str(metadata_network) for metadata_network in _METADATA if _within(metadata_network, network)]
    yield {"ipBlock": {"cidr": str(network)} | ({"except": inside} if inside else {})}


def _within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _completed(rule: Rule) -> Rule:
    """Write the one default that the API server fills in, so that the rule equals what is stored."""
    ports = rule.get("ports")
    if not isinstance(ports, list):
        return rule
    filled = [{"protocol": "TCP", **port} if isinstance(port, dict) else port for port in ports]
    return {**rule, "ports": filled}


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}
