"""Sockets for addresses that may be dialled: the very address of a connection is checked, whatever name led there."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from smarter_crds.addresses import Network, may_be_dialled, networks

AddrInfo = tuple[int, int, int, str, Any]


class AddressRefused(OSError):
    """The address is not public and not allowed."""

    def __init__(self, address: str) -> None:
        # The text has no address in it: equal texts let the connector report this error and not a mixture.
        super().__init__(errno.EACCES, "the address is not public and `allowedCIDRs` does not name it")
        self.address = address


def socket_factory(allowed: tuple[Network, ...]) -> Callable[[AddrInfo], socket.socket]:
    """Return what makes the sockets of a connector; it refuses before a packet leaves."""

    def make(info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not may_be_dialled(address[0], allowed):
            raise AddressRefused(address[0])
        return socket.socket(family, kind, protocol)

    return make


async def check_host(url: str, allowed_cidrs: Iterable[str]) -> None:
    """Look at the addresses of the host in `url`, for libraries that dial by themselves.

    Raises:
        AddressRefused: when one of them may not be dialled.
        OSError: when the name has no address.
    """
    parts, allowed = urlsplit(url), networks(allowed_cidrs)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if not may_be_dialled(str(address[0]), allowed):
            raise AddressRefused(str(address[0]))


async def dialable(host: str, port: int, allowed: tuple[Network, ...]) -> list[str]:
    """Return the addresses of `host` that may be dialled, for a client that cannot be handed a socket.

    Raises:
        OSError: when there is none; `AddressRefused` when none may be dialled.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    good = [address for address in addresses if may_be_dialled(address, allowed)]
    if not good:
        raise AddressRefused(addresses[0]) if addresses else OSError(errno.ENOENT, "the name has no address")
    return good


async def dial(host: str, port: int, allowed: tuple[Network, ...]) -> socket.socket:
    """Return a connected socket; of the addresses that `host` has, the first that may be dialled and answers.

    Raises:
        OSError: when there is none; `AddressRefused` when none may be dialled.
    """
    loop, make = asyncio.get_running_loop(), socket_factory(allowed)
    refused: OSError = OSError(errno.ENOENT, "the name has no address")
    failed: OSError | None = None
    for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            made = make(info)
        except AddressRefused as error:
            refused = error
            continue
        made.setblocking(False)
        try:
            await loop.sock_connect(made, info[4])
        except BaseException as error:
            made.close()
            if not isinstance(error, OSError):
                raise
            failed = error
        else:
            return _lasting(made)
    # That an allowed address does not answer says more than that another is not allowed.
    raise failed or refused


def _lasting(made: socket.socket) -> socket.socket:
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Firewalls forget connections that are silent for minutes, and tell nobody.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    return made
