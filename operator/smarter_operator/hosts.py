"""Which hosts a Chatbot may ask for, and how it stands with each: decisions by the rules of the platform alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from smarter_crds.base import Metadata
from smarter_crds.compile import Compiled, default_host
from smarter_operator.cluster import Manifest
from smarter_operator.settings import Settings

Claim = Literal["Held", "Free", "Taken", "Forbidden", "Refused"]

_REASONS: Mapping[Claim, str] = {"Taken": "HostTaken", "Forbidden": "HostForbidden", "Refused": "ClaimRefused"}


@dataclass(frozen=True)
class Standing:
    """How a Chatbot stands with one host that it asks for.

    `Free` is one that it may still claim, `Refused` one whose HostClaim the API server did not take.
    """

    host: str
    claim: Claim
    message: str = ""
    """For one that it cannot have: whose it is, or which rule is against it, and the way out."""

    @property
    def reason(self) -> str:
        """The reason of a refusal; empty if there is none."""
        return _REASONS.get(self.claim, "")


def objection(host: str, raw: Manifest, labels: Mapping[str, str], settings: Settings) -> str:
    """Say why the Chatbot `raw`, in a namespace with these labels, may not use `host`; empty if it may."""
    base, namespace = settings.platform.base_domain, raw["metadata"]["namespace"]
    if base:
        own = default_host(Metadata.model_validate(raw["metadata"]), base)
        if host == own:
            return ""
        if _matches(host, f"*.{base}") or host == base:
            return (
                f"Host {host!r} belongs to the platform's base domain {base!r}, where this bot has {own!r} and no "
                "other; remove it from `spec.exposure.hosts`."
            )
    if not settings.host_policies or _granted(host, labels, settings):
        return ""
    return (
        f"No host policy of the platform lets namespace {namespace!r} use host {host!r}; remove it from "
        "`spec.exposure.hosts`, or ask for an entry in `hostPolicies` of the operator's values."
    )


def narrowed(compiled: Compiled, hosts: Sequence[str]) -> Compiled:
    """Return `compiled` for a bot that has these of its hosts only."""
    kept = tuple(host for host in compiled.hosts if host in hosts)
    if kept == compiled.hosts:
        return compiled
    scheme, _, first = compiled.url.partition("://")
    url = f"{scheme}://{first if first in kept else kept[0]}" if kept else ""
    certified = tuple(host for host in compiled.settled.certified_hosts if host in kept)
    own = tuple(host for host in compiled.settled.secret_hosts if host in kept)
    settled = replace(compiled.settled, hosts=kept, certified_hosts=certified, secret_hosts=own, url=url)
    return replace(compiled, settled=settled)


def route_hosts(route: Manifest) -> set[str]:
    """Return the hosts that a live Ingress or HTTPRoute leads somewhere."""
    spec = route.get("spec", {})
    return {rule["host"] for rule in spec.get("rules", []) if "host" in rule} | set(spec.get("hostnames", []))


def _granted(host: str, labels: Mapping[str, str], settings: Settings) -> bool:
    selected = (policy for policy in settings.host_policies if policy.namespace_selector.selects(labels))
    return any(_matches(host, pattern) for policy in selected for pattern in policy.hosts)


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
