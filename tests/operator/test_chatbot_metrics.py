from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from smarter_operator.chatbot_metrics import ChatbotMetrics

Samples = dict[tuple[str, ...], float]


def samples(metrics: ChatbotMetrics) -> Samples:
    families = text_string_to_metric_families("".join(metrics.text()))
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def status(*conditions: tuple[str, str], **members: Any) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": value} for kind, value in conditions], **members}


def test_every_status_of_every_condition_is_there_and_1_is_the_one_that_holds() -> None:
    metrics = ChatbotMetrics()
    metrics.observe(("acme", "support"), status(("Ready", "True"), ("Reachable", "Unknown"), model="demo/small"))
    assert samples(metrics) == {
        ("smarter_chatbot_info", "acme", "support", "demo/small"): 1,
        ("smarter_chatbot_condition", "acme", "support", "Ready", "True"): 1,
        ("smarter_chatbot_condition", "acme", "support", "Ready", "False"): 0,
        ("smarter_chatbot_condition", "acme", "support", "Ready", "Unknown"): 0,
        ("smarter_chatbot_condition", "acme", "support", "Reachable", "True"): 0,
        ("smarter_chatbot_condition", "acme", "support", "Reachable", "False"): 0,
        ("smarter_chatbot_condition", "acme", "support", "Reachable", "Unknown"): 1,
    }


def test_the_end_of_a_certificate_is_shown_for_each_host_that_has_one() -> None:
    metrics = ChatbotMetrics()
    hosts = [
        {"host": "a.example", "certificate": {"ready": True, "notAfter": "2027-02-01T00:00:00Z"}},
        {"host": "b.example", "certificate": {"ready": False}},
        {"host": "c.example"},
    ]
    metrics.observe(("acme", "support"), status(hosts=hosts))
    assert samples(metrics) == {
        ("smarter_chatbot_info", "acme", "support", ""): 1,
        ("smarter_certificate_expiry_timestamp_seconds", "acme", "support", "a.example"): 1801440000,
    }


def test_what_was_is_not_shown_beside_what_is() -> None:
    metrics = ChatbotMetrics()
    metrics.observe(("acme", "support"), status(("ScalingActive", "True"), model="demo/small"))
    metrics.observe(("acme", "support"), status(model="demo/large"))
    metrics.observe(("acme", "gone"), status(("Ready", "True"), model="demo/large"))
    metrics.forget(("acme", "gone"))
    metrics.forget(("acme", "never-seen"))
    assert samples(metrics) == {("smarter_chatbot_info", "acme", "support", "demo/large"): 1}


@pytest.mark.parametrize(
    "model", ['a"b', "a\\b", "a\nb", "a\\nb", "模型"], ids=["quote", "backslash", "line-break", "both", "unicode"]
)
def test_whatever_a_model_is_called_the_text_can_be_read(model: str) -> None:
    metrics = ChatbotMetrics()
    metrics.observe(("acme", "support"), status(model=model))
    assert samples(metrics) == {("smarter_chatbot_info", "acme", "support", model): 1}


def test_ten_thousand_chatbots_are_written_in_parts() -> None:
    metrics = ChatbotMetrics()
    for number in range(10_000):
        metrics.observe(("acme", f"bot-{number}"), status(("Ready", "True"), model="demo/small"))
    assert (max(part.count("\n") for part in metrics.text()), len(samples(metrics))) == (600, 40_000)
