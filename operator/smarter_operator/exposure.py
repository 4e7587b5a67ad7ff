"""Facts → the conditions of the way from outside: hosts, route and certificates."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from smarter_operator.cluster import Manifest
from smarter_operator.findings import Finding, Verdict
from smarter_operator.kinds import CERTIFICATE, HTTP_ROUTE, INGRESS, LISTENER_SET
from smarter_operator.outcome import Outcome

PROBING = "Probing"


def hosts_accepted(outcome: Outcome) -> Verdict:
    hosts = outcome.hosts
    refused = [standing for standing in hosts if standing.reason]
    if refused:
        served = f" The others ({len(hosts) - len(refused)}) are served." if len(refused) < len(hosts) else ""
        return "False", refused[0].reason, " ".join(standing.message for standing in refused[:3]) + served
    if any(standing.claim == "Free" for standing in hosts):
        return "Unknown", "NotClaimed", "Hosts are claimed once the chatbot is accepted."
    if not hosts:
        return "True", "NotExposed", "No host is asked for."
    return "True", "Claimed", f"The chatbot holds all its hosts ({len(hosts)})."


def dns_ready(outcome: Outcome) -> Verdict:
    return _probed(outcome, lambda finding: finding.dns, "All names ({count}) are in DNS.")


def reachable(outcome: Outcome) -> Verdict:
    return _probed(outcome, lambda finding: finding.reach, "The chatbot answers at all its hosts ({count}).")


def _probed(outcome: Outcome, of: Callable[[Finding], Verdict], all_well: str) -> Verdict:
    if outcome.findings is None:
        return "Unknown", "NotProbed", "The platform does not probe hosts."
    if not outcome.findings:
        return "Unknown", "NotExposed", "The chatbot is served at no host."
    verdicts = [of(finding) for finding in outcome.findings.values() if finding]
    if len(verdicts) < len(outcome.findings):
        return "Unknown", PROBING, "The hosts are being probed."
    worst = sorted((verdict for verdict in verdicts if verdict[0] != "True"), key=lambda verdict: verdict[0] != "False")
    reason = verdicts[0][1]
    return worst[0] if worst else ("True", reason, all_well.format(count=len(verdicts)))


def route_ready(bot: str, outcome: Outcome) -> Verdict:
    settled = outcome.compiled.settled
    if not outcome.problems and settled.state == "Offline":
        return "True", "Offline", "No route is needed: the chatbot is offline."
    if not outcome.problems and not settled.hosts:
        return "True", "NotExposed", "No route is needed: the chatbot has no host."
    # Of a Chatbot that is not accepted, the route of its last good spec stays.
    wanted = HTTP_ROUTE if settled.exposure_type == "HTTPRoute" else INGRESS
    kinds = (INGRESS, HTTP_ROUTE) if outcome.problems else (wanted,)
    if not outcome.problems and (missing := _listeners_missing(bot, outcome)):
        return missing
    for kind in kinds:
        if live := outcome.world.child(kind, bot):
            return _ingress_ready(bot, live) if kind is INGRESS else _http_route_ready(bot, live)
    if HTTP_ROUTE.name in outcome.missing:
        return "False", "GatewayApiMissing", (
            "The cluster has no Gateway API; install it, or set `spec.exposure.type` to `Ingress`."
        )  # fmt: skip
    return "False", "NotRouted", f"There is no {wanted.name} yet."


def _ingress_ready(bot: str, live: Manifest) -> Verdict:
    if live.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return "True", "Routed", "The Ingress has an address."
    ingress_class = live["spec"].get("ingressClassName")
    whose = f"IngressClass {ingress_class!r}" if ingress_class else "the default IngressClass"
    return "False", "NoAddress", f"Ingress {bot!r} has no address yet; check that the controller of {whose} runs."


def _listeners_missing(bot: str, outcome: Outcome) -> Verdict | None:
    """Say why the listeners of the bot's own do not stand; None where they do, or where it has none."""
    if not outcome.compiled.settled.listener_hosts or HTTP_ROUTE.name in outcome.missing:
        return None
    if LISTENER_SET.name in outcome.missing:
        return "False", "ListenerSetMissing", (
            "The cluster's Gateway API has no ListenerSet, which carries the bot's own certificates; install a newer "
            "one, or set `spec.exposure.tls.mode` to `External` and let the Gateway's listener hold the certificate."
        )  # fmt: skip
    live = outcome.world.child(LISTENER_SET, bot)
    return _unopened(bot, live) if live else ("False", "NotRouted", "There is no ListenerSet yet.")


def _unopened(bot: str, live: Manifest) -> Verdict | None:
    generation = live["metadata"].get("generation", 0)
    # A ListenerSet that nobody has judged bears conditions of no generation.
    found = [c for c in live.get("status", {}).get("conditions", []) if c.get("observedGeneration", 0) >= generation]
    judged = {condition["type"]: condition for condition in found}
    if all(judged.get(name, {}).get("status") == "True" for name in ("Accepted", "Programmed")):
        return None
    place = f"Gateway {_place(live, live['spec']['parentRef'])!r}"
    against = next((c.get("message") or c["reason"] for c in found if c["status"] == "False"), "")
    if not against:
        said = f"No controller has taken up ListenerSet {bot!r}; check that {place} exists and supports ListenerSets."
        return "False", "NoGateway", said
    return "False", "NotAccepted", f"{place} does not open the bot's listeners: {against}"


def _http_route_ready(bot: str, live: Manifest) -> Verdict:
    verdicts = [_attached(bot, live, parent) for parent in live["spec"]["parentRefs"]]
    return next((verdict for verdict in verdicts if verdict[0] != "True"), verdicts[0])


def _attached(bot: str, live: Manifest, parent: Manifest) -> Verdict:
    place = f"{parent.get('kind', 'Gateway')} {_place(live, parent)!r}"
    answers = list(_answers(live, parent))
    if not answers:
        return (
            "False",
            "NoGateway",
            f"No controller has taken up HTTPRoute {bot!r}; check that {place} exists and that the controller of its "
            "class runs.",
        )
    for conditions in answers:
        if all(conditions.get(name, {}).get("status") == "True" for name in ("Accepted", "ResolvedRefs")):
            return "True", "Routed", f"{place} has accepted the HTTPRoute."
    return "False", "NotAccepted", f"{place} does not route to the bot: {_objection(answers)}"


def _place(live: Manifest, parent: Manifest) -> str:
    return f"{parent.get('namespace', live['metadata']['namespace'])}/{parent['name']}"


def _answers(live: Manifest, parent: Manifest) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield what each controller says of one parent: conditions by type, without those of an older spec."""
    generation, own = live["metadata"].get("generation", 0), live["metadata"]["namespace"]
    for answer in live.get("status", {}).get("parents", []):
        meant, ours = (
            (each.get("kind", "Gateway"), each["name"], each.get("namespace", own))
            for each in (answer["parentRef"], parent)
        )
        if meant == ours:
            conditions = answer.get("conditions", [])
            yield {c["type"]: c for c in conditions if c.get("observedGeneration", generation) >= generation}


def _objection(answers: Sequence[dict[str, dict[str, Any]]]) -> str:
    said = [c for conditions in answers for c in conditions.values() if c["type"] in ("Accepted", "ResolvedRefs")]
    against = (c.get("message") or c.get("reason", "") for c in said if c["status"] != "True")
    return next(against, "it has not judged the newest HTTPRoute yet.")


def certificate_ready(outcome: Outcome) -> Verdict:
    settled = outcome.compiled.settled
    if not outcome.problems and settled.secret_hosts:
        return (
            "True",
            "FromSecret",
            f"The certificate is in Secret {settled.tls_secret!r}, which the operator cannot read.",
        )
    if not outcome.problems and not settled.certified_hosts:
        return "True", "NotNeeded", "No certificate of its own is needed."
    if CERTIFICATE.name in outcome.missing:
        return "False", "CertManagerMissing", (
            "The cluster has no cert-manager; install it, or set another `spec.exposure.tls.mode`."
        )  # fmt: skip
    certificates = outcome.world.of_kind(CERTIFICATE)
    if not certificates:
        return "False", "NotIssued", "There is no Certificate yet."
    for certificate in certificates:
        ready = _ready_condition(certificate)
        if ready.get("status") != "True":
            said = ready.get("message", "cert-manager has not looked at it yet; check that it runs.")
            return "False", "NotIssued", f"Certificate {certificate['metadata']['name']!r}: {said}"
    return "True", "Issued", f"All certificates ({len(certificates)}) are valid."


def _ready_condition(certificate: Manifest) -> dict[str, str]:
    found: Sequence[dict[str, str]] = certificate.get("status", {}).get("conditions", [])
    return next((condition for condition in found if condition["type"] == "Ready"), {})
