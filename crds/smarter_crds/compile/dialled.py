"""Addresses that a bot shall dial: whether it ever could."""

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from smarter_crds.addresses import may_be_dialled, networks
from smarter_crds.compile.problems import Problem

ALLOWED = "spec.allowedCIDRs"


def url_problems(field: str, url: str, allowed: Iterable[str], place: str = ALLOWED) -> Iterator[Problem]:
    """Yield what is wrong with the URL in `field`; `place` is the field with the networks that are allowed."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if not host:
        yield Problem("InvalidAddress", f"`{field}` names no host; correct it.")
    yield from address_problems(field, host, allowed, place)


def address_problems(field: str, host: str, allowed: Iterable[str], place: str = ALLOWED) -> Iterator[Problem]:
    """Judge an address that is a number; what a name stands for is judged when it is dialled."""
    number = host.strip("[]")
    try:
        ipaddress.ip_address(number)
    except ValueError:
        return
    if may_be_dialled(number, networks(allowed)):
        return
    if may_be_dialled(number, networks((number,))):
        text = f"`{field}` is {host}, which is not public; name its network in `{place}`."
        yield Problem("AddressNotAllowed", text)
    else:
        yield Problem("AddressForbidden", f"`{field}` is {host}, which bots may never dial; use another address.")
