"""How the programs of a cluster are described: their command lines, and the questions that show they serve."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from smarter_cluster.pki import KeyPair
from smarter_cluster.processes import Component
from smarter_cluster.site import Site


def component(
    site: Site,
    name: str,
    options: Mapping[str, object],
    ready: Callable[[], bool],
    *,
    enter: tuple[str, ...] = (),
    proc: str = "/proc",
) -> Component:
    """A program of the cluster with `--option=value` for each of `options`."""
    arguments = (f"--{option}={value}" for option, value in options.items())
    command = (str(site.bin / name), *arguments)
    return Component(name=name, command=command, ready=ready, enter=enter, proc=proc)


def answers(
    url: str,
    authority: Path | None = None,
    client: KeyPair | None = None,
    accept: Callable[[bytes], bool] = lambda _: True,
) -> Callable[[], bool]:
    """A check that is true when a GET of `url` succeeds with an acceptable body."""

    @cache
    def context() -> ssl.SSLContext | None:
        made = ssl.create_default_context(cafile=authority) if authority else None
        if made and client:
            made.load_cert_chain(client.certificate, client.key)
        return made

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5, context=context()) as response:
                return accept(response.read())
        except (urllib.error.URLError, OSError):
            return False

    return check
