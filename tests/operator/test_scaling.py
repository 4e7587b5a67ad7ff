"""What a Chatbot says about its autoscaler."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Platform, References, compile_chatbot
from smarter_operator.conditions import conditions
from smarter_operator.findings import Verdict
from smarter_operator.observe import World
from smarter_operator.outcome import Outcome
from support.manifests import chatbot, provider

AUTO: dict[str, Any] = {"scaling": {"type": "Auto", "maxReplicas": 1}, "exposure": {"type": "None"}}
NO_ADAPTER = (
    "the HPA was unable to compute the replica count: unable to get metric smarter_requests_in_flight: unable to fetch "
    "metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
)


def judge(*said: tuple[str, str, str, str], autoscaler: bool = True, **spec: Any) -> dict[str, Verdict]:
    """Judge a bot that serves, whose HorizontalPodAutoscaler says these (type, status, reason, message)."""
    members = ("type", "status", "reason", "message")
    found = [dict(zip(members, condition, strict=True)) for condition in said]
    references = References(providers={"demo": Provider.model_validate(provider())})
    compiled = compile_chatbot(Chatbot.model_validate(chatbot(**(AUTO | spec))), references, Platform())
    assert compiled.problems == ()
    counts = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    children: dict[tuple[str, str], Any] = {
        ("Deployment", "support"): {"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": counts}
    }
    if autoscaler:
        children["HorizontalPodAutoscaler", "support"] = {"metadata": {}, "status": {"conditions": found}}
    outcome = Outcome(compiled=compiled, world=World(references=references, children=children), config_hash="ab")
    return conditions("support", outcome)


ABLE = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        pytest.param([], ("Unknown", "NotJudged", "not been looked at"), id="just-made"),
        pytest.param([ABLE], ("Unknown", "NotJudged", "not been looked at"), id="half-judged"),
        pytest.param(
            [ABLE, ("ScalingActive", "True", "ValidMetricFound", "the HPA was able to")],
            ("True", "Scaling", "between 1 and 1"),
            id="scaling",
        ),
        pytest.param(
            [ABLE, ("ScalingActive", "False", "FailedGetPodsMetric", NO_ADAPTER)],
            ("False", "FailedGetPodsMetric", "no metrics adapter, so the number of pods does not follow the load. "
             "Install one that serves `smarter_requests_in_flight`"),
            id="no-adapter",
        ),
        pytest.param(
            [ABLE, ("ScalingActive", "False", "FailedGetPodsMetric", "no metrics returned from custom metrics API")],
            ("False", "FailedGetPodsMetric", "check its rules, and that Prometheus reads the pods' metrics. It was "
             "said: no metrics returned"),
            id="adapter-without-the-metric",
        ),
        pytest.param(
            [("AbleToScale", "False", "FailedGetScale", "deployments/scale is forbidden")],
            ("False", "FailedGetScale", "deployments/scale is forbidden"),
            id="not-able",
        ),
        pytest.param(
            [ABLE, ("ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the count is zero")],
            ("False", "ScalingDisabled", "scaling is disabled"),
            id="disabled",
        ),
    ],
)  # fmt: skip
def test_autoscaling_is_explained(said: list[tuple[str, str, str, str]], verdict: Verdict) -> None:
    status, reason, message = judge(*said)["ScalingActive"]
    assert (status, reason) == verdict[:2]
    assert verdict[2] in message


def test_a_bot_that_cannot_scale_as_it_asks_for_is_not_ready() -> None:
    found = judge(ABLE, ("ScalingActive", "False", "FailedGetPodsMetric", NO_ADAPTER))
    assert found["Available"][0] == "True"
    assert found["Ready"][:2] == ("False", "FailedGetPodsMetric")


def test_an_autoscaler_that_is_not_judged_yet_does_not_make_a_bot_unready() -> None:
    assert judge()["ScalingActive"][0] == "Unknown"
    # No pod was asked here, which is unknown too and does no harm either.
    assert judge()["Ready"][:2] == ("True", "Ready")


def test_without_its_autoscaler_nothing_is_claimed() -> None:
    assert judge(autoscaler=False)["ScalingActive"][:2] == ("Unknown", "NotScaled")


def test_an_offline_bot_needs_no_autoscaler() -> None:
    assert judge(autoscaler=False, state="Offline")["ScalingActive"][:2] == ("True", "Offline")


def test_a_bot_of_a_fixed_number_of_pods_has_no_such_condition() -> None:
    assert "ScalingActive" not in judge(scaling={"type": "Fixed", "replicas": 1})
