import json
import tracemalloc
from typing import Any

from smarter_operator.cache import Cache
from smarter_operator.kinds import CHATBOT, PLUGIN, POD, PROVIDER, SERVICE
from support.manifests import chatbot, plugin, provider


def stored(manifest: dict[str, Any], version: int = 1, uid: str = "1", **metadata: Any) -> dict[str, Any]:
    """Return `manifest` as the API server hands it out."""
    added = {"uid": uid, "resourceVersion": str(version), "generation": 1}
    return {**manifest, "metadata": {**manifest["metadata"], **added, **metadata}}


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    cache = Cache()
    cache.put(PLUGIN, stored(plugin(description="new"), version=10))
    assert cache.put(PLUGIN, stored(plugin(description="old"), version=9)) is None
    assert cache.put(PLUGIN, stored(plugin(description="same"), version=10)) is None
    found = cache.get(PLUGIN, "acme", "returns")
    assert found is not None
    assert found["spec"]["description"] == "new"


def test_a_successor_of_the_same_name_replaces_whatever_its_version() -> None:
    cache = Cache()
    cache.put(PLUGIN, stored(plugin(), version=10, uid="first"))
    change = cache.put(PLUGIN, stored(plugin(), version=2, uid="second"))
    assert change is not None
    assert cache.uids(PLUGIN) == {("acme", "returns"): "second"}


def test_the_late_deletion_of_a_predecessor_leaves_the_successor() -> None:
    cache = Cache()
    cache.put(PLUGIN, stored(plugin(), uid="second"))
    assert not cache.discard(PLUGIN, stored(plugin(), uid="first"))
    assert cache.uids(PLUGIN) == {("acme", "returns"): "second"}


def test_users_are_found_directly_and_through_a_plugin() -> None:
    cache = Cache()
    through = plugin(prompt={"model": {"providerRef": {"name": "large"}}})
    cache.put(PLUGIN, stored(through))
    cache.put(PROVIDER, stored(provider("large")))
    cache.put(CHATBOT, stored(chatbot("a", plugins=[{"name": "returns"}])))
    cache.put(CHATBOT, stored(chatbot("b")))
    assert cache.users(PLUGIN, "acme", "returns") == {("acme", "a")}
    assert cache.users(PROVIDER, "acme", "large") == {("acme", "a")}
    assert cache.users(PROVIDER, "acme", "demo") == {("acme", "a"), ("acme", "b")}
    cache.put(CHATBOT, stored(chatbot("a"), version=2))
    assert cache.users(PLUGIN, "acme", "returns") == frozenset()


def test_children_are_found_by_the_label_of_their_chatbot() -> None:
    cache = Cache()
    service = {"kind": "Service", "metadata": {"name": "support", "namespace": "acme"}}
    labelled = stored(service, labels={"smarter.sh/chatbot": "support"})
    cache.put(SERVICE, labelled)
    assert list(cache.children(SERVICE, "acme", "support")) == ["support"]
    assert cache.children(SERVICE, "elsewhere", "support") == {}
    cache.discard(SERVICE, labelled)
    assert cache.children(SERVICE, "acme", "support") == {}


def test_a_list_tells_what_vanished_but_not_what_came_after_it_was_asked_for() -> None:
    cache = Cache()
    cache.put(PLUGIN, stored(plugin("gone"), uid="1"))
    cache.put(PLUGIN, stored(plugin("stays"), uid="2"))
    known = cache.uids(PLUGIN)
    cache.put(PLUGIN, stored(plugin("new"), uid="3"))
    listed = [stored(plugin("stays"), uid="2")]
    assert [item["metadata"]["name"] for item in cache.vanished(PLUGIN, listed, known)] == ["gone"]


def test_what_is_large_and_never_read_is_not_kept() -> None:
    cache = Cache()
    fields = [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": {}}}]
    secrets = {"name": "secrets", "projected": {"sources": []}}
    spec = {"containers": [1], "volumes": [{"name": "tmp"}, secrets]}
    pod = {"kind": "Pod", "metadata": {"name": "a", "namespace": "acme"}, "spec": spec, "status": {}}
    cache.put(POD, stored(pod, managedFields=fields))
    kept = cache.get(POD, "acme", "a")
    assert kept is not None
    assert kept["metadata"]["managedFields"] == [{"manager": "kubelet", "operation": "Update"}]
    assert kept["spec"] == {"volumes": [secrets]}, "what a pod has mounted decides which config it may get"


def test_what_a_reader_changes_does_not_change_what_is_known() -> None:
    cache = Cache()
    cache.put(PLUGIN, stored(plugin()))
    first = cache.get(PLUGIN, "acme", "returns")
    assert first is not None
    first["spec"]["description"] = "changed by its reader"
    assert cache.get(PLUGIN, "acme", "returns") == {**stored(plugin()), "metadata": first["metadata"]}


def test_an_object_takes_less_memory_than_its_text() -> None:
    def bot(number: int) -> dict[str, Any]:
        made = chatbot(f"bot-{number:03}", systemPrompt="You help. " * 200)
        return stored(made, uid=f"{number:036}")

    cache, count = Cache(), 200
    cache.put(CHATBOT, bot(count))
    tracemalloc.start()
    for number in range(count):
        cache.put(CHATBOT, bot(number))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / count < len(json.dumps(bot(0)))
