"""Events → keys: what must be looked at again because one object changed."""

from collections.abc import Iterator

from smarter_crds.base import GROUP
from smarter_operator.cache import Cache, Change, ObjectName
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import (
    API_KEY,
    CHATBOT,
    CHATBOT_LABEL,
    CHILDREN,
    CONFIG_MAP,
    HOST_CLAIM,
    NAMESPACE,
    PLUGIN,
    POD,
    REFERENCED,
    Kind,
)

Key = tuple[str, str, str]
"""Name of the kind, namespace, name."""

_SHARED = (*(kind for kind in REFERENCED if kind is not API_KEY), NAMESPACE)
"""What thousands of Chatbots may share and learn one after the other; that a key is taken back they learn at once."""


def key_of(kind_name: str, manifest: Manifest) -> Key:
    return kind_name, manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def holder_of(claim: Manifest) -> Key:
    """Return the Chatbot that holds a host."""
    holder = claim["spec"]["holder"]
    return CHATBOT.name, holder["namespace"], holder["name"]


def urgent_keys(change: Change, cache: Cache) -> Iterator[Key]:
    """Yield the resources whose desired or observed state the change may touch."""
    manifest = change.after or change.before
    assert manifest is not None
    if change.kind is CHATBOT:
        yield key_of(CHATBOT.name, manifest)
    elif change.kind is API_KEY:
        yield key_of(API_KEY.name, manifest)
        yield from ((CHATBOT.name, *name) for name in sorted(_opened(change, cache)))
    elif change.kind in REFERENCED:
        yield key_of(change.kind.name, manifest)
        if _spec_changed(change):
            yield from _users(change.kind, manifest, cache)
    elif change.kind in CHILDREN or (change.kind is POD and _pod_changed(change)):
        yield from _labelled(change)
        yield from _readers(change, manifest, cache)
    elif change.kind is HOST_CLAIM:
        yield from {holder_of(side) for side in (change.before, change.after) if side}
    elif change.kind is NAMESPACE and _labels(change.before) != _labels(change.after):
        inside = (bot for bot in cache.all(CHATBOT) if bot["metadata"]["namespace"] == manifest["metadata"]["name"])
        yield from (key_of(CHATBOT.name, bot) for bot in inside)


def may_wait(change: Change, key: Key) -> bool:
    """Tell whether the resource `key`, which the change touches, lets what is new or was edited itself go first.

    That is: when a Plugin of thousands changes, or a child or a pod only says how far it has come. So each of a
    thousand new Chatbots is applied before any is looked at again, and also while a thousand get a new config.
    """
    if change.kind in _SHARED:
        return key[0] == CHATBOT.name
    if change.kind is POD:
        return True
    if change.kind not in CHILDREN or change.after is None:
        return False
    return change.before is None or _asked(change.before) == _asked(change.after)


def _asked(child: Manifest) -> Manifest:
    """Return what is asked of a child: all but its status, and but what controllers note in its metadata."""
    metadata = child["metadata"]
    ours = {key: value for key, value in metadata.get("annotations", {}).items() if key.startswith(GROUP)}
    kept = {key: metadata.get(key) for key in ("deletionTimestamp", "labels", "ownerReferences")}
    return {**child, "metadata": kept | ours, "status": None}


def _users(kind: Kind, manifest: Manifest, cache: Cache) -> Iterator[Key]:
    _, namespace, name = key_of(kind.name, manifest)
    yield from ((CHATBOT.name, *user) for user in cache.users(kind, namespace, name))
    yield from ((PLUGIN.name, *user) for user in cache.plugins_with(kind, namespace, name))


def _readers(change: Change, manifest: Manifest, cache: Cache) -> Iterator[Key]:
    """Yield who reads a text of a ConfigMap that changed."""
    if change.kind is CONFIG_MAP and _data(change.before) != _data(change.after):
        yield from _users(CONFIG_MAP, manifest, cache)


def _labelled(change: Change) -> set[Key]:
    """Return the Chatbot that the label names, and the one that it named before somebody changed it."""
    sides = [side["metadata"] for side in (change.before, change.after) if side is not None]
    labelled = [(metadata, metadata.get("labels", {}).get(CHATBOT_LABEL)) for metadata in sides]
    return {(CHATBOT.name, metadata["namespace"], bot) for metadata, bot in labelled if bot}


def patient_keys(change: Change, cache: Cache) -> set[Key]:
    """Return the resources whose count of users the change may touch."""
    if change.kind not in (CHATBOT, PLUGIN) or not _spec_changed(change):
        return set()
    before, after = (cache.reached(change.kind, side) if side else set() for side in (change.before, change.after))
    # Who uses a ConfigMap is nothing that it tells.
    found = {(kind_name, *name) for kind_name, name in before ^ after if kind_name != CONFIG_MAP.name}
    if change.kind is CHATBOT and (change.before is None) != (change.after is None):
        _, namespace, name = key_of(CHATBOT.name, change.after or change.before or {})
        found |= {key_of(API_KEY.name, key) for key in cache.keys_of(namespace, name)}
    return found


def _opened(change: Change, cache: Cache) -> set[ObjectName]:
    """Return the Chatbots to which a change of an ApiKey means something: of its scope before and now."""
    if not (_spec_changed(change) or _issued(change.before) != _issued(change.after)):
        return set()
    return {name for side in (change.before, change.after) if side for name in cache.opened_by(side)}


def _issued(side: Manifest | None) -> object:
    """Return the tokens of an ApiKey: they are in its status, and its Chatbots must know them."""
    return side.get("status", {}).get("issued") if side else None


def _spec_changed(change: Change) -> bool:
    """The status of a Plugin must not wake its users, only its content and its coming and going."""
    if change.before is None or change.after is None:
        return True
    return bool(change.before["metadata"].get("generation") != change.after["metadata"].get("generation"))


def _data(config_map: Manifest | None) -> object:
    return config_map.get("data") if config_map else None


def _labels(manifest: Manifest | None) -> object:
    return manifest["metadata"].get("labels") if manifest else None


def _pod_changed(change: Change) -> bool:
    """Our own nudges change annotations only; they mean nothing to the Chatbot."""
    if change.before is None or change.after is None:
        return True
    return any(
        _seen(change.before, member) != _seen(change.after, member) for member in ("status", "deletionTimestamp")
    )


def _seen(pod: Manifest, member: str) -> object:
    return pod.get("status") if member == "status" else pod["metadata"].get(member)
