"""Where a request comes from: the client's address, believed only as far as the platform's proxies tell it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from smarter_crds.addresses import Address, Network

_IPV4 = (32,)
_IPV6 = (64, 48)
"""What one customer gets from most providers, and what one site gets."""


@dataclass(frozen=True)
class Origin:
    """The networks that a request is charged to; none where the address may be that of a proxy nobody told us of."""

    prefixes: tuple[str, ...] = ()


def origin(peer: str, forwarded: Iterable[str], proxies: Sequence[Network]) -> Origin:
    """Return where a request comes from.

    `forwarded` are the `X-Forwarded-For` headers. Each proxy appends whom it got the request from, so they are read
    from the end, as long as the one that says so is one of the platform's `proxies`.
    """
    address = _parsed(peer)
    said = [part for header in forwarded for part in header.split(",")]
    while address is not None and said and _is_within(address, proxies):
        address = _parsed(said.pop())
    if address is None or not (proxies or address.is_global):
        return Origin()
    lengths = _IPV4 if isinstance(address, IPv4Address) else _IPV6
    return Origin(tuple(str(ip_network((address, length), strict=False)) for length in lengths))


def _parsed(text: str) -> Address | None:
    """Return the address, with or without a port; an IPv4 address written as IPv6 is what it stands for."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_within(address: Address, those: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in those)
