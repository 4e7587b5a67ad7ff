"""What we know of the cluster: fed by watch events, by answers to our writes, and by lists that prune what vanished."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import (
    API_CONNECTION,
    API_KEY,
    BY_NAME,
    CHATBOT,
    CHATBOT_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    HOST_CLAIM,
    PLUGIN,
    POD,
    PROVIDER,
    SQL_CONNECTION,
    STORE,
    Kind,
)
from smarter_operator.names import SECRETS_VOLUME
from smarter_operator.packed import ObjectName as ObjectName
from smarter_operator.packed import PackedObjects, identity

Reference = tuple[str, ObjectName]
"""Name of a kind, and which object of it."""

_EVERY = ""
"""In place of a Chatbot's name: the ApiKey opens all of its namespace."""


@dataclass(frozen=True)
class Change:
    """One object before and after; None means that it did not or does not exist."""

    kind: Kind
    before: Manifest | None
    after: Manifest | None


class Cache:
    """The newest known version of every watched object, by kind and name, and of children by their Chatbot.

    It belongs to the event loop; `get` alone may be called from other threads too.
    """

    def __init__(self) -> None:
        self._objects: dict[str, PackedObjects] = {kind_name: PackedObjects() for kind_name in BY_NAME}
        self._children: dict[tuple[str, ObjectName], tuple[ObjectName, ...]] = {}
        self._users: dict[Reference, set[Reference]] = defaultdict(set)

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return self._objects[kind.name].get((namespace, name))

    def all(self, kind: Kind) -> Iterable[Manifest]:
        return self._objects[kind.name].values()

    def children(self, kind: Kind, namespace: str, chatbot: str) -> Mapping[str, Manifest]:
        """Return the objects of `kind` that carry the Chatbot's label, by name; its HostClaims without one."""
        keys = self._children.get((kind.name, (namespace, chatbot)), ())
        return {key[1]: self._objects[kind.name][key] for key in keys}

    def users(self, kind: Kind, namespace: str, name: str) -> frozenset[ObjectName]:
        """Return the Chatbots that refer to this object, directly or through a Plugin."""
        direct = self._users.get((kind.name, (namespace, name)), set())
        through = [self._users.get(user, set()) for user in direct if user[0] == PLUGIN.name]
        return frozenset(user for users in (direct, *through) for kind_name, user in users if kind_name == CHATBOT.name)

    def plugins_with(self, kind: Kind, namespace: str, name: str) -> list[ObjectName]:
        """Return the Plugins that refer to this object."""
        users = self._users.get((kind.name, (namespace, name)), ())
        return sorted(user for kind_name, user in users if kind_name == PLUGIN.name)

    def used_by(self, namespace: str, chatbot: str) -> set[Reference]:
        """Return what the Chatbot refers to, directly or through a Plugin."""
        raw = self.get(CHATBOT, namespace, chatbot)
        return self.reached(CHATBOT, raw) if raw else set()

    def reached(self, kind: Kind, manifest: Manifest) -> set[Reference]:
        """Return what an object refers to, directly or through a Plugin."""
        direct = references_of(kind, manifest)
        plugins = [self.get(PLUGIN, *name) for kind_name, name in direct if kind_name == PLUGIN.name]
        return direct.union(*(references_of(PLUGIN, plugin) for plugin in plugins if plugin))

    def keys_of(self, namespace: str, chatbot: str) -> list[Manifest]:
        """Return the ApiKeys that open a Chatbot of this name, whether it exists or not; by name."""
        scopes = [(CHATBOT.name, (namespace, chatbot)), (CHATBOT.name, (namespace, _EVERY))]
        names = {
            name for scope in scopes for kind_name, name in self._users.get(scope, ()) if kind_name == API_KEY.name
        }
        return [self._objects[API_KEY.name][name] for name in sorted(names)]

    def opened_by(self, key: Manifest) -> set[ObjectName]:
        """Return the existing Chatbots that the ApiKey opens."""
        scopes = {name for _, name in _links(API_KEY, key)}
        namespace = key["metadata"]["namespace"]
        if (namespace, _EVERY) in scopes:
            return {name for name in self._objects[CHATBOT.name] if name[0] == namespace}
        return {name for name in scopes if name in self._objects[CHATBOT.name]}

    def put(self, kind: Kind, manifest: Manifest) -> Change | None:
        """Remember `manifest`; returns None when it is old news."""
        objects, key, new = self._objects[kind.name], _key(manifest), identity(manifest)
        known = objects.identity(key)
        if known is not None and known.uid == new.uid and new.version <= known.version:
            return None
        manifest, before = _trimmed(kind, manifest), objects.get(key)
        if before is not None:
            self._unlink(kind, before)
        objects[key] = manifest
        self._link(kind, manifest)
        return Change(kind, before, manifest)

    def discard(self, kind: Kind, manifest: Manifest) -> bool:
        """Forget the object, but not its successor of the same name. Returns whether it was known."""
        key = _key(manifest)
        known = self._objects[kind.name].get(key)
        if known is None or not _same_object(known, manifest):
            return False
        del self._objects[kind.name][key]
        self._unlink(kind, known)
        return True

    def vanished(
        self, kind: Kind, listed: Iterable[Manifest], known_before: Mapping[ObjectName, str]
    ) -> list[Manifest]:
        """Return what a full list no longer has, of the objects (name → UID) known before the list was asked for."""
        present = {(_key(item), item["metadata"]["uid"]) for item in listed}
        gone = [key for key, uid in known_before.items() if (key, uid) not in present]
        found = ((self._objects[kind.name].get(key), known_before[key]) for key in gone)
        return [item for item, uid in found if item is not None and item["metadata"]["uid"] == uid]

    def is_current(self, kind: Kind, metadata_only: Manifest) -> bool:
        """Tell whether we know the object in this version or a later one."""
        known, listed = self._objects[kind.name].identity(_key(metadata_only)), identity(metadata_only)
        return known is not None and known.uid == listed.uid and known.version >= listed.version

    def uids(self, kind: Kind) -> dict[ObjectName, str]:
        return self._objects[kind.name].uids()

    def _link(self, kind: Kind, manifest: Manifest) -> None:
        if owner := _chatbot_of(kind, manifest):
            siblings, key = self._children.get((kind.name, owner), ()), _key(manifest)
            self._children[kind.name, owner] = (*(other for other in siblings if other != key), key)
        for reference in _links(kind, manifest):
            self._users[reference].add((kind.name, _key(manifest)))

    def _unlink(self, kind: Kind, manifest: Manifest) -> None:
        if owner := _chatbot_of(kind, manifest):
            siblings = self._children.pop((kind.name, owner), ())
            if rest := tuple(key for key in siblings if key != _key(manifest)):
                self._children[kind.name, owner] = rest
        for reference in _links(kind, manifest):
            self._users[reference].discard((kind.name, _key(manifest)))
            if not self._users[reference]:
                del self._users[reference]


def references_of(kind: Kind, manifest: Manifest) -> set[Reference]:
    """Return what a Chatbot, a Plugin or an ApiKey refers to by its spec."""
    spec, namespace = manifest.get("spec", {}), manifest["metadata"].get("namespace", "")
    if kind is CHATBOT:
        found = _chatbot_references(spec)
    elif kind is PLUGIN:
        found = [
            (CONFIG_MAP.name, _config_map((spec.get("static") or {}).get("dataFrom") or {})),
            (PROVIDER.name, _referenced(spec.get("prompt", {}).get("model", {}), "providerRef")),
            (SQL_CONNECTION.name, _referenced(spec.get("sql", {}), "connectionRef")),
            (API_CONNECTION.name, _referenced(spec.get("api", {}), "connectionRef")),
        ]
    elif kind is API_KEY:
        found = [(CHATBOT.name, str(name)) for name in _listed(spec) or ()]
    else:
        return set()
    return {(kind_name, (namespace, name)) for kind_name, name in found if name}


def _chatbot_references(spec: Manifest) -> list[tuple[str, str]]:
    model = spec.get("model", {})
    models = (model, *model.get("fallbacks", []))
    plugins = [(PLUGIN.name, str(plugin.get("name", ""))) for plugin in spec.get("plugins", [])]
    providers = [(PROVIDER.name, _referenced(part, "providerRef")) for part in models]
    config_map = (CONFIG_MAP.name, _config_map(spec.get("systemPromptFrom", {})))
    return [*plugins, *providers, config_map, (STORE.name, _referenced(spec, "storeRef"))]


def _listed(spec: Manifest) -> list[str] | None:
    """Return the Chatbots that an ApiKey lists; None: it opens all of its namespace."""
    scope = spec.get("scope", {})
    return scope.get("chatbots", []) if scope.get("type") == "Listed" else None


def _links(kind: Kind, manifest: Manifest) -> set[Reference]:
    """Return by what an object is found: its references, and the namespace that an ApiKey opens."""
    opens_all = kind is API_KEY and _listed(manifest.get("spec", {})) is None
    every = {(CHATBOT.name, (manifest["metadata"]["namespace"], _EVERY))} if opens_all else set()
    return references_of(kind, manifest) | every


def _referenced(part: Manifest, member: str) -> str:
    return str(part.get(member, {}).get("name", ""))


def _config_map(source: Manifest) -> str:
    return str(source.get("configMapKeyRef", {}).get("name", ""))


def _chatbot_of(kind: Kind, manifest: Manifest) -> ObjectName | None:
    if kind is HOST_CLAIM:
        holder = manifest["spec"]["holder"]
        return holder["namespace"], holder["name"]
    name = manifest["metadata"].get("labels", {}).get(CHATBOT_LABEL) if kind.selector else None
    return (manifest["metadata"]["namespace"], name) if name else None


def _key(manifest: Manifest) -> ObjectName:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _same_object(one: Manifest, other: Manifest) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])


def _trimmed(kind: Kind, manifest: Manifest) -> Manifest:
    """Drop what is large and never read: the field sets of managers, and of pods all but their status and Secrets."""
    metadata: dict[str, Any] = dict(manifest["metadata"])
    metadata["managedFields"] = [_manager(kind, entry) for entry in metadata.get("managedFields", [])]
    trimmed = {**manifest, "metadata": metadata}
    if kind is POD:
        volumes = manifest.get("spec", {}).get("volumes", [])
        trimmed["spec"] = {"volumes": [volume for volume in volumes if volume.get("name") == SECRETS_VOLUME]}
    return trimmed


def _manager(kind: Kind, entry: Manifest) -> Manifest:
    """Keep of a manager's entry who it is, and of a Deployment whether it owns the number of pods."""
    kept = {key: entry.get(key) for key in ("manager", "operation")}
    owned = entry.get("fieldsV1", {}).get("f:spec", {})
    return kept | ({"ownsReplicas": True} if kind is DEPLOYMENT and "f:replicas" in owned else {})
