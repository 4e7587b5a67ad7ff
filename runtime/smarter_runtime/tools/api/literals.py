"""Hosts that are numbers in any spelling; behind a proxy, nobody but us looks at them."""

import ipaddress
import socket

from smarter_crds.addresses import Network, may_be_dialled


def may_be_named(host: str, allowed: tuple[Network, ...]) -> bool:
    """Tell whether a proxy may be told to connect to `host`; a name is the proxy's to judge."""
    address = _address(host.strip("[]"))
    return address is None or may_be_dialled(address, allowed)


def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        # Decimal, octal, hexadecimal and short spellings, as C libraries read them.
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
