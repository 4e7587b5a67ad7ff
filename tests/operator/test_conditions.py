from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Platform, Problem, References, compile_chatbot
from smarter_crds.exposure import IssuerRef
from smarter_operator.cluster import Manifest
from smarter_operator.conditions import CERT_MANAGER_MISSING, Outcome, Verdict, conditions
from smarter_operator.observe import World
from support.manifests import chatbot, exposed, provider

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


def judge(children: Children | None = None, *pods: Manifest, refused: tuple[Problem, ...] = ()) -> dict[str, Verdict]:
    parsed = Chatbot.model_validate(chatbot(exposure=exposed()))
    references = References(providers={"demo": Provider.model_validate(provider())})
    compiled = compile_chatbot(parsed, references, PLATFORM)
    world = World(references=references, children=children or {}, pods=pods)
    return conditions("support", Outcome(compiled=compiled, world=world, refused=refused, config_hash="ab"))


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
        pytest.param(
            "CertificateReady", {}, (Problem(CERT_MANAGER_MISSING, "install it"),), ("False", CERT_MANAGER_MISSING),
            id="no-cert-manager",
        ),
        pytest.param("Available", {}, (Problem("ApplyRefused", "quota"),), ("False", "ApplyRefused"), id="refused"),
    ],
)  # fmt: skip
def test_whether_it_is_reached(
    condition: str, children: Children, refused: tuple[Problem, ...], verdict: tuple[str, str]
) -> None:
    assert judge(children, refused=refused)[condition][:2] == verdict


def test_a_certificate_is_explained_in_the_words_of_its_issuer() -> None:
    assert "denied by policy" in judge(certificate("False", "denied by policy"))["CertificateReady"][2]


def test_ready_repeats_the_first_reason_in_the_way() -> None:
    everything = deployment() | ingress() | certificate("True", "")
    found = judge(everything)
    assert found["Ready"] == ("False", *found["RouteReady"][1:])
    assert judge(everything | ingress("192.0.2.1"))["Ready"][:2] == ("True", "Ready")
