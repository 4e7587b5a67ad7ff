from typing import Any

import pytest

from smarter_crds import Chatbot, Provider, Store
from smarter_crds.compile import Platform, Problem, References, compile_chatbot
from smarter_crds.exposure import IssuerRef
from smarter_crds.runtime_config import ResourceName, RuntimeProblem
from smarter_operator.cluster import Manifest
from smarter_operator.conditions import conditions
from smarter_operator.findings import Verdict
from smarter_operator.observe import World
from smarter_operator.outcome import Outcome
from smarter_operator.pods import PodReport
from support.manifests import chatbot, exposed, provider, store

Children = dict[tuple[str, str], Manifest]
PLATFORM = Platform(issuer_ref=IssuerRef(name="demo-ca", kind="ClusterIssuer"))
DEPLOYED = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}


def deployment(replicas: int = 1, **status: int) -> Children:
    manifest = {"metadata": {"generation": 1}, "spec": {"replicas": replicas}, "status": DEPLOYED | status}
    return {("Deployment", "support"): manifest}


def ingress(*addresses: str, class_name: str = "contour") -> Children:
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    return {("Ingress", "support"): {"spec": {"ingressClassName": class_name}, "status": status}}


def certificate(status: str, message: str) -> Children:
    ready = {"type": "Ready", "status": status, "message": message}
    return {("Certificate", "c"): {"metadata": {"name": "c"}, "status": {"conditions": [ready]}}}


def pod(**status: Any) -> Manifest:
    return {"metadata": {"name": "support-1", "uid": "1"}, "status": status}


def waiting(reason: str, message: str = "", last_words: str = "") -> Manifest:
    container = {
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": {"message": last_words}},
    }
    return pod(containerStatuses=[container])


def http_route(*answers: Manifest) -> Children:
    spec = {"parentRefs": [{"name": "public", "namespace": "infra"}]}
    metadata = {"namespace": "acme", "generation": 2}
    return {("HTTPRoute", "support"): {"metadata": metadata, "spec": spec, "status": {"parents": list(answers)}}}


def said(accepted: str, resolved: str, message: str = "", gateway: str = "public", generation: int = 2) -> Manifest:
    """Return what a controller says about our route and its Gateway."""
    found = [("Accepted", accepted), ("ResolvedRefs", resolved)]
    conditions = [
        {"type": name, "status": status, "message": message, "observedGeneration": generation} for name, status in found
    ]
    return {"parentRef": {"name": gateway, "namespace": "infra"}, "conditions": conditions}


def judge(
    children: Children | None = None,
    *pods: Manifest,
    refused: tuple[Problem, ...] = (),
    missing: frozenset[str] = frozenset(),
    exposure: Manifest | None = None,
    said: tuple[RuntimeProblem, ...] = (),
    **spec: Any,
) -> dict[str, Verdict]:
    parsed = Chatbot.model_validate(chatbot(exposure=exposure or exposed(), **spec))
    references = References(
        providers={"demo": Provider.model_validate(provider())}, stores={"main": Store.model_validate(store())}
    )
    compiled = compile_chatbot(parsed, references, PLATFORM)
    reports = {"uid": PodReport(problems=said)} if said else {}
    world = World(references=references, children=children or {}, pods=pods, reports=reports)
    return conditions(
        "support", Outcome(compiled=compiled, world=world, refused=refused, missing=missing, config_hash="ab")
    )


@pytest.mark.parametrize(
    ("children", "pods", "verdict"),
    [
        pytest.param({}, (), ("False", "NotDeployed", "no Deployment"), id="nothing"),
        pytest.param(deployment(), (), ("True", "Serving", "1 of 1"), id="serving"),
        pytest.param(deployment(readyReplicas=0), (), ("False", "Deploying", "0 of 1 pods are ready"), id="starting"),
        pytest.param(deployment(updatedReplicas=0), (), ("False", "RollingOut", "0 of 1"), id="old-template"),
        pytest.param(deployment(observedGeneration=0), (), ("False", "RollingOut", "template"), id="not-seen-yet"),
        pytest.param(deployment(replicas=0), (), ("False", "ScaledToZero", "spec.scaling.replicas"), id="zero"),
        pytest.param(
            deployment(readyReplicas=0), (waiting("ImagePullBackOff", "no such image"),),
            ("False", "ImagePullBackOff", "Pod 'support-1' does not start: no such image"), id="image",
        ),
        pytest.param(
            deployment(readyReplicas=0), (waiting("CrashLoopBackOff", "back-off", "POD_UID is empty"),),
            ("False", "CrashLoopBackOff", "POD_UID is empty"), id="last-words-say-more",
        ),
        pytest.param(
            deployment(readyReplicas=0), (waiting("ContainerCreating"),),
            ("False", "Deploying", "0 of 1"), id="still-creating",
        ),
        pytest.param(
            deployment(readyReplicas=0),
            (pod(conditions=[{"type": "PodScheduled", "reason": "Unschedulable", "message": "no node fits"}]),),
            ("False", "Unschedulable", "finds no node: no node fits"), id="no-node",
        ),
    ],
)  # fmt: skip
def test_whether_it_is_available(children: Children, pods: tuple[Manifest, ...], verdict: Verdict) -> None:
    status, reason, message = judge(children, *pods)["Available"]
    assert (status, reason) == verdict[:2]
    assert verdict[2] in message


@pytest.mark.parametrize(
    ("condition", "children", "refused", "verdict"),
    [
        pytest.param("RouteReady", {}, (), ("False", "NotRouted"), id="no-ingress"),
        pytest.param("RouteReady", ingress(), (), ("False", "NoAddress"), id="no-address"),
        pytest.param("RouteReady", ingress("192.0.2.1"), (), ("True", "Routed"), id="routed"),
        pytest.param("CertificateReady", {}, (), ("False", "NotIssued"), id="no-certificate"),
        pytest.param("CertificateReady", certificate("False", "denied"), (), ("False", "NotIssued"), id="denied"),
        pytest.param("CertificateReady", certificate("True", ""), (), ("True", "Issued"), id="issued"),
        pytest.param("Available", {}, (Problem("ApplyRefused", "quota"),), ("False", "ApplyRefused"), id="refused"),
    ],
)  # fmt: skip
def test_whether_it_is_reached(
    condition: str, children: Children, refused: tuple[Problem, ...], verdict: tuple[str, str]
) -> None:
    assert judge(children, refused=refused)[condition][:2] == verdict


GATEWAY = {
    "type": "HTTPRoute",
    "hosts": ["support.acme.example"],
    "gatewayRef": {"name": "public", "namespace": "infra"},
}


@pytest.mark.parametrize(
    ("children", "verdict"),
    [
        pytest.param({}, ("False", "NotRouted", "There is no HTTPRoute yet."), id="no-route"),
        pytest.param(ingress("192.0.2.1"), ("False", "NotRouted", "no HTTPRoute"), id="an-ingress-does-not-count"),
        pytest.param(http_route(), ("False", "NoGateway", "Gateway 'infra/public' exists"), id="nobody-answers"),
        pytest.param(
            http_route(said("True", "True", gateway="other")), ("False", "NoGateway", "infra/public"),
            id="another-gateway-answers",
        ),
        pytest.param(http_route(said("True", "True")), ("True", "Routed", "infra/public"), id="accepted"),
        pytest.param(
            http_route(said("False", "True", "No matching listener hostname.")),
            ("False", "NotAccepted", "No matching listener hostname."), id="not-accepted",
        ),
        pytest.param(
            http_route(said("True", "False", "Service not found.")),
            ("False", "NotAccepted", "Service not found."), id="not-resolved",
        ),
        pytest.param(
            http_route(said("True", "True", generation=1)),
            ("False", "NotAccepted", "not judged the newest"), id="said-of-an-older-route",
        ),
        pytest.param(
            http_route(said("False", "True", "Not mine."), said("True", "True")), ("True", "Routed", ""),
            id="one-of-two-controllers-accepts",
        ),
    ],
)  # fmt: skip
def test_whether_a_gateway_routes_to_it(children: Children, verdict: Verdict) -> None:
    status, reason, message = judge(children, exposure=GATEWAY)["RouteReady"]
    assert (status, reason) == verdict[:2]
    assert verdict[2] in message


OWN_LISTENERS = GATEWAY | {"tls": exposed()["tls"]}


def listener_set(**conditions: str) -> Children:
    """Return a ListenerSet of which its Gateway's controller says these (type, status)."""
    spec = {"parentRef": {"name": "public", "namespace": "infra"}}
    said = [
        {"type": name, "status": status, "reason": "R", "message": f"{name} said.", "observedGeneration": 2}
        for name, status in conditions.items()
    ]
    metadata = {"namespace": "acme", "generation": 2}
    return {("ListenerSet", "support"): {"metadata": metadata, "spec": spec, "status": {"conditions": said}}}


def attached(*answers: str) -> Children:
    """Return a route that is attached to the bot's own listeners, of which controllers say whether it is accepted."""
    parent = {"kind": "ListenerSet", "name": "support"}
    metadata = {"namespace": "acme", "generation": 2}
    said = [
        {"parentRef": parent, "conditions": [{"type": name, "status": each} for name in ("Accepted", "ResolvedRefs")]}
        for each in answers
    ]
    return {
        ("HTTPRoute", "support"): {"metadata": metadata, "spec": {"parentRefs": [parent]}, "status": {"parents": said}}
    }


OPEN = listener_set(Accepted="True", Programmed="True")
PENDING = [{"type": "Accepted", "status": "Unknown", "reason": "Pending", "message": "Waiting for controller"}]
UNJUDGED = {("ListenerSet", "support"): {**OPEN["ListenerSet", "support"], "status": {"conditions": PENDING}}}


@pytest.mark.parametrize(
    ("children", "verdict"),
    [
        pytest.param(attached("True"), ("False", "NotRouted", "no ListenerSet yet"), id="not-there"),
        pytest.param(UNJUDGED | attached("True"), ("False", "NoGateway", "ListenerSet 'support'"), id="not-judged"),
        pytest.param(
            listener_set(Accepted="False") | attached("True"), ("False", "NotAccepted", "Accepted said."), id="refused",
        ),
        pytest.param(
            listener_set(Accepted="True", Programmed="False") | attached("True"),
            ("False", "NotAccepted", "Programmed said."), id="not-programmed",
        ),
        pytest.param(OPEN, ("False", "NotRouted", "no HTTPRoute"), id="no-route"),
        pytest.param(OPEN | attached(), ("False", "NoGateway", "ListenerSet 'acme/support'"), id="nobody-answers"),
        pytest.param(OPEN | attached("False"), ("False", "NotAccepted", "acme/support"), id="route-not-accepted"),
        pytest.param(OPEN | attached("True"), ("True", "Routed", "acme/support"), id="open"),
        pytest.param(OPEN | http_route(said("True", "True")), ("True", "Routed", "infra/public"), id="by-the-gateway"),
    ],
)  # fmt: skip
def test_whether_a_gateway_listens_as_the_bot_asks(children: Children, verdict: Verdict) -> None:
    status, reason, message = judge(children, exposure=OWN_LISTENERS)["RouteReady"]
    assert (status, reason) == verdict[:2]
    assert verdict[2] in message


def test_the_answer_of_a_gateway_does_not_count_for_listeners_of_the_same_name() -> None:
    route = attached("True")["HTTPRoute", "support"]
    route["status"]["parents"][0]["parentRef"] = {"kind": "Gateway", "name": "support"}
    found = judge(OPEN | {("HTTPRoute", "support"): route}, exposure=OWN_LISTENERS)
    assert found["RouteReady"][:2] == ("False", "NoGateway")


def test_a_certificate_of_ones_own_is_not_judged() -> None:
    found = judge(deployment(), exposure=exposed() | {"tls": {"mode": "Secret", "secretName": "acme-wildcard"}})
    assert found["CertificateReady"][:2] == ("True", "FromSecret")
    assert "'acme-wildcard'" in found["CertificateReady"][2]


@pytest.mark.parametrize(
    ("kind", "exposure", "condition", "reason"),
    [
        pytest.param("Certificate", exposed(), "CertificateReady", "CertManagerMissing", id="cert-manager"),
        pytest.param("HTTPRoute", GATEWAY, "RouteReady", "GatewayApiMissing", id="gateway-api"),
    ],
)
def test_an_api_that_is_missing_is_a_reason_of_its_own(
    kind: str, exposure: Manifest, condition: str, reason: str
) -> None:
    found = judge(deployment(), missing=frozenset({kind}), exposure=exposure)
    assert found[condition][:2] == ("False", reason)
    assert "install it" in found[condition][2]
    assert found["Available"][:2] == ("True", "Serving")


def test_a_certificate_is_explained_in_the_words_of_its_issuer() -> None:
    assert "denied by policy" in judge(certificate("False", "denied by policy"))["CertificateReady"][2]


def test_ready_repeats_the_first_reason_in_the_way() -> None:
    everything = deployment() | ingress() | certificate("True", "")
    found = judge(everything)
    assert found["Ready"] == ("False", *found["RouteReady"][1:])
    assert judge(everything | ingress("192.0.2.1"))["Ready"][:2] == ("True", "Ready")


UNREACHABLE = RuntimeProblem(
    reason="StoreUnreachable", message="Store 'main' is down.", resource=ResourceName(kind="Store", name="main")
)
OF_ANOTHER = UNREACHABLE.model_copy(update={"resource": ResourceName(kind="Provider", name="main")})


@pytest.mark.parametrize(
    ("spec", "said", "verdict"),
    [
        pytest.param({}, (), ("False", "Embedded", "for one pod only, and forgotten with it"), id="embedded"),
        pytest.param({"storeRef": {"name": "main"}}, (), ("True", "Shared", "kept in Store 'main'"), id="shared"),
        pytest.param(
            {"storeRef": {"name": "main"}},
            (OF_ANOTHER, UNREACHABLE),
            ("False", "StoreUnreachable", "Store 'main' is down."),
            id="store-away",
        ),
    ],
)
def test_whether_limits_are_shared_is_told_and_keeps_no_bot_from_being_ready(
    spec: Manifest, said: tuple[RuntimeProblem, ...], verdict: Verdict
) -> None:
    found = judge(deployment() | ingress("192.0.2.1") | certificate("True", ""), said=said, **spec)
    status, reason, message = found["LimitsShared"]
    assert (status, reason) == verdict[:2]
    assert verdict[2] in message
    assert found["Ready"][1] != "Embedded"
