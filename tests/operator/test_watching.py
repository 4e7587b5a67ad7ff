from typing import Any

import pytest

from smarter_operator.cache import Cache, Change
from smarter_operator.kinds import BY_NAME, CHATBOT
from smarter_operator.watching import patient_keys, urgent_keys
from support.manifests import chatbot, plugin

SUPPORT = ("Chatbot", "acme", "support")
POD = {"metadata": {"name": "p", "namespace": "acme", "labels": {"smarter.sh/chatbot": "support"}}, "status": {}}


def known() -> Cache:
    cache = Cache()
    bot = chatbot(plugins=[{"name": "returns"}])
    cache.put(CHATBOT, {**bot, "metadata": {**bot["metadata"], "uid": "1", "resourceVersion": "1"}})
    return cache


def at(manifest: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], **metadata}}


@pytest.mark.parametrize(
    ("kind", "before", "after", "woken"),
    [
        pytest.param("Chatbot", None, chatbot(), [SUPPORT], id="a-new-chatbot"),
        pytest.param("Chatbot", chatbot(), None, [SUPPORT], id="a-chatbot-that-goes"),
        pytest.param(
            "Plugin", at(plugin(), generation=1), at(plugin(), generation=2), [("Plugin", "acme", "returns"), SUPPORT],
            id="an-edited-plugin-wakes-its-users",
        ),
        pytest.param(
            "Plugin", at(plugin(), generation=1), at(plugin(), generation=1), [("Plugin", "acme", "returns")],
            id="the-status-of-a-plugin-wakes-nobody-else",
        ),
        pytest.param(
            "Plugin", at(plugin(), generation=1), None, [("Plugin", "acme", "returns"), SUPPORT],
            id="a-plugin-that-goes",
        ),
        pytest.param("Pod", None, POD, [SUPPORT], id="a-new-pod"),
        pytest.param("Pod", POD, {**POD, "status": {"podIP": "10.0.0.1"}}, [SUPPORT], id="a-pod-gets-its-address"),
        pytest.param("Pod", POD, at(POD, annotations={"smarter.sh/config": "x"}), [], id="our-own-nudge"),
        pytest.param("Pod", POD, at(POD, deletionTimestamp="now"), [SUPPORT], id="a-pod-on-its-way-out"),
        pytest.param("Service", POD, POD, [SUPPORT], id="a-child"),
    ],
)  # fmt: skip
def test_who_is_looked_at_again(kind: str, before: Any, after: Any, woken: list[tuple[str, str, str]]) -> None:
    assert list(urgent_keys(Change(BY_NAME[kind], before, after), known())) == woken


def test_only_what_is_used_more_or_less_than_before_is_counted_anew() -> None:
    before = at(chatbot(plugins=[{"name": "a"}, {"name": "b"}]), generation=1)
    after = at(chatbot(plugins=[{"name": "b"}, {"name": "c"}]), generation=2)
    assert patient_keys(Change(CHATBOT, before, after), Cache()) == {("Plugin", "acme", "a"), ("Plugin", "acme", "c")}
    assert patient_keys(Change(CHATBOT, after, None), Cache()) == {
        ("Plugin", "acme", "b"),
        ("Plugin", "acme", "c"),
        ("Provider", "acme", "demo"),
    }
