"""What a probe of a host means: answers of DNS and of the web → verdicts, and when a new verdict counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from smarter_crds.addresses import may_be_dialled, networks

Verdict = tuple[str, str, str]
"""Status, reason and message of a condition."""

EQUAL_RESULTS = 3
"""So many in a row change a verdict: one lost packet is no news."""

_INSIDE = (".local", ".localhost", ".internal", ".svc")
"""Names of private networks. Whether they exist is nobody's business who may write a Chatbot."""

AnswerKind = Literal["Identity", "Other", "Untrusted", "BadCertificate", "NoConnection"]


@dataclass(frozen=True)
class Answer:
    """What came back from a host; `uid` is that of the Chatbot that answered."""

    kind: AnswerKind
    uid: str = ""


@dataclass(frozen=True)
class Finding:
    """What is held of one host."""

    dns: Verdict
    reach: Verdict


@dataclass
class Settling:
    """A verdict that changes only when several results in a row say so."""

    settled: Verdict | None = None
    _candidate: Verdict | None = None
    _times: int = 0

    def see(self, result: Verdict) -> bool:
        """Take in one result; returns whether the verdict changed."""
        if self.settled is not None and result[:2] == self.settled[:2]:
            self._candidate, self._times = None, 0
            return False
        again = self._candidate is not None and result[:2] == self._candidate[:2]
        self._candidate, self._times = result, self._times + 1 if again else 1
        if self._times < EQUAL_RESULTS:
            return False
        self.settled, self._candidate, self._times = result, None, 0
        return True


def is_inside(host: str) -> bool:
    """Tell whether a name belongs to a private network, such as the cluster's own."""
    return host.endswith(_INSIDE) or "." not in host


def dialable(addresses: Iterable[str], published: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses to which a probe may go: public ones, and those that the route's controller published.

    Whoever may write a Chatbot chooses names; without this they could ask for anything inside the cluster.
    """
    routes = {ip_address(address) for address in published}
    return tuple(
        address
        for address in addresses
        if may_be_dialled(address, networks([address]) if ip_address(address) in routes else ())
    )


def of_dns(host: str, addresses: Sequence[str] | None, published: Sequence[str]) -> Verdict:
    """Judge what DNS said: no address means that the name does not exist, None that nobody answered."""
    if is_inside(host):
        return "Unknown", "NotPublic", f"{host!r} is a name of private networks, which are not looked into."
    if addresses is None:
        return "Unknown", "NoAnswer", f"The DNS servers of the operator gave no answer about {host!r}."
    if not addresses:
        where = f" to {', '.join(sorted(published))}" if published else " to the address of the route's controller"
        return "False", "NotFound", f"DNS does not know {host!r}; create a record that leads it{where}."
    if not dialable(addresses, published):
        return "Unknown", "NotPublic", (
            f"Seen from the operator, {host!r} leads to no public address and to none of the route's; seen from "
            "elsewhere it may well."
        )  # fmt: skip
    return "True", "Resolved", f"{host!r} is in DNS."


def of_answer(host: str, uid: str, answer: Answer, *, at_route: bool) -> Verdict:
    """Judge what came back from `host`; `at_route` tells that the route's own controller was asked."""
    if answer.kind == "Identity":
        if answer.uid == uid:
            return "True", "Reached", f"The chatbot answers at {host!r}."
        return "False", "AnotherChatbot", f"Another chatbot answers at {host!r}; check where DNS leads it."
    found: Mapping[AnswerKind, Verdict] = {
        "BadCertificate": (
            "False",
            "BadCertificate",
            f"The certificate at {host!r} is out of date or for another name; see CertificateReady, and what ends TLS.",
        ),
        "Untrusted": (
            "Unknown",
            "UntrustedCertificate",
            f"The operator does not trust the authority of the certificate at {host!r}; visitors may.",
        ),
        "NoConnection": (
            "Unknown",
            "NoConnection",
            f"The operator gets no connection to {host!r}; many networks allow none from inside to their own entry.",
        ),
        "Other": (
            "False" if at_route else "Unknown",
            "AnotherAnswer",
            f"Something else than the chatbot answers at {host!r}"
            + ("; check the route and its controller." if at_route else ", for example a CDN or a login in front."),
        ),
    }
    return found[answer.kind]
