"""Which addresses may be dialled: those that are public, and those that somebody allows; never metadata services."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds hand out credentials to whoever asks from inside; no allow-list opens these.
METADATA = tuple(
    ip_network(text)
    for text in (
        "100.100.100.200/32", "168.63.129.16/32", "169.254.42.42/32", "169.254.169.0/24", "169.254.170.0/24",
        "192.0.0.192/32", "fd00:42::42/128", "fd00:ec2::/32", "fd20:ce::254/128", "fe80::a9fe:a9fe/128",
    )
)  # fmt: skip
# IPv6 networks whose last 32 bits are an IPv4 address: compatible, mapped, translated, NAT64.
_EMBEDDING = tuple(
    ip_network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_NOT_PUBLIC = tuple(ip_network(text) for text in ("fec0::/10", "100.64.0.0/10", "192.88.99.0/24", "2001::/23"))


def networks(cidrs: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(cidr, strict=False) for cidr in cidrs)


def may_be_dialled(text: str, allowed: Iterable[Network]) -> bool:
    """Whether a connection may go to the address `text`; allowed networks open all but metadata addresses."""
    forms = _forms(ip_address(text.partition("%")[0]))
    if any(_within(form, METADATA) for form in forms):
        return False
    allowed = tuple(allowed)
    if _within(forms[0], allowed) or _within(forms[-1], allowed):
        return True
    return all(form.is_global and not form.is_multicast and not _within(form, _NOT_PUBLIC) for form in forms[-1:])


def _forms(address: Address) -> tuple[Address, ...]:
    """Return `address` as written and, if an IPv4 address is inside, that one last: it is where packets end up."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.sixtofour:
        return address, address.sixtofour
    if address.teredo:
        return address, address.teredo[1]
    if _within(address, _EMBEDDING) and int(address) > 1:
        return address, IPv4Address(int(address) & 0xFFFFFFFF)
    return (address,)


def _within(address: Address, those: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in those)
