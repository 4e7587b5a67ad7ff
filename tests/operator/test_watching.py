from typing import Any

import pytest

from smarter_operator.cache import Cache, Change
from smarter_operator.kinds import BY_NAME, CHATBOT
from smarter_operator.watching import may_wait, patient_keys, urgent_keys
from support.manifests import api_key, chatbot, plugin

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


DEPLOYMENT = {**POD, "spec": {"replicas": 1}}


@pytest.mark.parametrize(
    ("kind", "before", "after", "waits"),
    [
        pytest.param("Chatbot", None, chatbot(), False, id="a-new-chatbot"),
        pytest.param("Plugin", plugin(), at(plugin(), generation=2), True, id="an-edited-plugin"),
        pytest.param("ApiKey", api_key(), at(api_key(), generation=2), False, id="an-edited-key"),
        pytest.param("Pod", None, POD, True, id="a-new-pod"),
        pytest.param("Pod", POD, None, True, id="a-pod-that-is-gone"),
        pytest.param("Deployment", None, DEPLOYMENT, True, id="a-new-child"),
        pytest.param("Deployment", DEPLOYMENT, {**DEPLOYMENT, "status": {"replicas": 1}}, True, id="its-status"),
        pytest.param(
            "Deployment", DEPLOYMENT, at(DEPLOYMENT, annotations={"deployment.kubernetes.io/revision": "1"}), True,
            id="a-note-of-a-controller",
        ),
        pytest.param("Deployment", DEPLOYMENT, {**DEPLOYMENT, "spec": {"replicas": 2}}, False, id="its-spec"),
        pytest.param("ConfigMap", POD, {**POD, "binaryData": {"config": "x"}}, False, id="its-data"),
        pytest.param(
            "Deployment", DEPLOYMENT, at(DEPLOYMENT, annotations={"smarter.sh/applied": "x"}), False, id="our-own-note"
        ),
        pytest.param("Deployment", DEPLOYMENT, at(DEPLOYMENT, labels={}), False, id="a-lost-label"),
        pytest.param("Deployment", DEPLOYMENT, at(DEPLOYMENT, ownerReferences=[]), False, id="a-lost-owner"),
        pytest.param("Deployment", DEPLOYMENT, at(DEPLOYMENT, deletionTimestamp="now"), False, id="on-its-way-out"),
        pytest.param("Deployment", DEPLOYMENT, None, False, id="a-child-that-is-gone"),
    ],
)  # fmt: skip
def test_what_is_new_or_edited_goes_before_what_it_brings_about(
    kind: str, before: Any, after: Any, waits: bool
) -> None:
    assert may_wait(Change(BY_NAME[kind], before, after), SUPPORT) == waits


def test_an_edited_plugin_itself_does_not_wait() -> None:
    change = Change(BY_NAME["Plugin"], plugin(), at(plugin(), generation=2))
    assert not may_wait(change, ("Plugin", "acme", "returns"))


def test_only_what_is_used_more_or_less_than_before_is_counted_anew() -> None:
    before = at(chatbot(plugins=[{"name": "a"}, {"name": "b"}]), generation=1)
    after = at(chatbot(plugins=[{"name": "b"}, {"name": "c"}]), generation=2)
    assert patient_keys(Change(CHATBOT, before, after), Cache()) == {("Plugin", "acme", "a"), ("Plugin", "acme", "c")}
    assert patient_keys(Change(CHATBOT, after, None), Cache()) == {
        ("Plugin", "acme", "b"),
        ("Plugin", "acme", "c"),
        ("Provider", "acme", "demo"),
    }
