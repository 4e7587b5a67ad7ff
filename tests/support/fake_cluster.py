"""An API server in memory with the semantics the operator relies on; the integration tests prove them on a real one."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smarter_operator.cluster import ApiMissing, ClusterError, Conflict, Manifest, NotFound
from smarter_operator.kinds import BY_NAME, Kind
from smarter_operator.mending import MANAGER as MENDING

ADMIN = "admin"
OPERATOR = "smarter-operator"


class FakeCluster:
    """A `Cluster` that keeps objects in a dictionary and the mutating calls in a list."""

    def __init__(self, first_version: int = 1) -> None:
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.writes: list[tuple[str, str, str]] = []
        """(verb, kind, name) of every mutating call the operator made."""
        self.reads: list[tuple[str, str]] = []
        self.lists: list[tuple[str, str]] = []
        """Kind, and what was listed of it: `all`, `metadata`, or the name of one object."""
        self.events: dict[str, Manifest] = {}
        self.event_writes: list[str] = []
        """Name of the object that each written Event is about."""
        self.missing_apis: set[str] = set()
        """Kinds whose API is not installed."""
        self.refuse: Callable[[str, Manifest], ClusterError | None] = lambda verb, manifest: None
        """Returns the error with which a call shall fail."""
        self.on_change: Callable[[Kind, Manifest, bool], None] = lambda kind, manifest, gone: None
        """Is told every change, as a watch would be."""
        self._versions = itertools.count(first_version)
        self._applied: dict[str, Manifest] = {}
        """What the operator applied last, by UID: a member that it stops wanting goes."""

    def create(self, manifest: Manifest) -> Manifest:
        """Make an object as its user would."""
        scope = {} if BY_NAME[manifest["kind"]].cluster_scoped else {"namespace": "acme"}
        metadata = {**scope, "uid": f"uid-{next(self._versions)}", "generation": 1, **manifest["metadata"]}
        return self._store({**copy.deepcopy(manifest), "metadata": metadata}, ADMIN)

    def edit(self, kind: str, name: str, namespace: str = "acme", **members: Any) -> Manifest:
        """Change members of an object as its user would; a changed spec raises the generation."""
        found = copy.deepcopy(self.get(kind, name, namespace))
        found |= members
        if "spec" in members:
            found["metadata"]["generation"] += 1
        return self._store(found, ADMIN)

    def put_in_place(self, manifest: Manifest) -> Manifest:
        """Put `manifest` in place of the object of its name, as `kubectl replace` does."""
        found = self.get(manifest["kind"], manifest["metadata"]["name"], manifest["metadata"]["namespace"])
        changed = manifest.get("spec") != found.get("spec")
        made = copy.deepcopy(manifest)
        made["metadata"]["generation"] = found["metadata"].get("generation", 1) + changed
        return self._store(made, ADMIN)

    def remove(self, kind: str, name: str, namespace: str = "acme") -> None:
        gone = self.objects.pop(_key(kind, namespace, name))
        self._tell(gone, gone=True)

    def get(self, kind: str, name: str, namespace: str = "acme") -> Manifest:
        return self.objects[_key(kind, namespace, name)]

    def claims(self) -> dict[str, tuple[str, str]]:
        """Return who holds each host that is in use."""
        claims = {name: m["spec"] for (kind, _, name), m in self.objects.items() if kind == "HostClaim"}
        in_use = {host: spec["holder"] for host, spec in claims.items() if "lastUsedTime" not in spec}
        return {host: (holder["namespace"], holder["name"]) for host, holder in in_use.items()}

    def status(self, kind: str, name: str) -> Manifest:
        found: Manifest = self.get(kind, name)["status"]
        return found

    def condition(self, name: str, condition: str) -> tuple[str, str]:
        """Return status and reason of a Chatbot's condition."""
        found = {c["type"]: c for c in self.status("Chatbot", name)["conditions"]}
        return found[condition]["status"], found[condition]["reason"]

    async def list_objects(self, kind: Kind, namespace: str = "", name: str = "") -> list[Manifest]:
        self.lists.append((kind.name, name or "all"))
        labelled = [
            m for m in self.objects.values() if m["kind"] == kind.name and kind.selects(m["metadata"].get("labels", {}))
        ]
        wanted = {"namespace": namespace, "name": name} if name else {}
        return [copy.deepcopy(m) for m in labelled if wanted.items() <= m["metadata"].items()]

    async def list_metadata(self, kind: Kind) -> list[Manifest]:
        listed = await self.list_objects(kind)
        self.lists[-1] = (kind.name, "metadata")
        return [{"metadata": manifest["metadata"]} for manifest in listed]

    async def read_metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        self.reads.append((kind.name, name))
        self._check(kind)
        found = self.objects.get((kind.name, namespace, name))
        return {"metadata": copy.deepcopy(found["metadata"])} if found else None

    async def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        self.reads.append((kind.name, name))
        return copy.deepcopy(self.objects.get((kind.name, namespace, name)))

    async def create_object(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._write("create", kind, manifest)
        if (kind.name, manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]) in self.objects:
            raise Conflict(f"{kind.name} {manifest['metadata']['name']!r} exists")
        return self.create_as_operator(manifest)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._write("replace", kind, manifest)
        metadata = manifest["metadata"]
        live = self.objects.get((kind.name, metadata.get("namespace", ""), metadata["name"]))
        if live is None or live["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict(f"{kind.name} {metadata['name']!r} is not that version any more")
        return self._store(copy.deepcopy(manifest), OPERATOR)

    async def apply(self, kind: Kind, manifest: Manifest, manager: str = OPERATOR) -> Manifest:
        self._write("apply", kind, manifest)
        self._check(kind)
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        live = self.objects.get((kind.name, namespace, name))
        uid = manifest["metadata"].get("uid")
        if uid and (live is None or live["metadata"]["uid"] != uid):
            raise Conflict(f"{kind.name} {name!r} is not the one with UID {uid}")
        if live is None:
            return self.create_as_operator(manifest)
        before = self._applied.get(live["metadata"]["uid"], {}) if manager == OPERATOR else {}
        merged = _merge(_without(live, before, manifest), manifest)
        if manager == OPERATOR:
            # The UID is a condition and no field that anybody owns.
            owned = {key: value for key, value in manifest["metadata"].items() if key != "uid"}
            self._applied[live["metadata"]["uid"]] = copy.deepcopy({**manifest, "metadata": owned})
        changed_spec = merged.get("spec") != live.get("spec")
        merged["metadata"]["generation"] = live["metadata"].get("generation", 1) + changed_spec
        return self._store(merged, manager)

    async def patch(
        self, kind: Kind, live: Manifest, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> Manifest:
        self._write("patch", kind, live)
        metadata = live["metadata"]
        found = copy.deepcopy(self.objects.get((kind.name, metadata["namespace"], metadata["name"])))
        if found is None or found["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict(f"{kind.name} {metadata['name']!r} is not that version any more")
        for operation in operations:
            assert operation["op"] == "replace"
            *steps, last = operation["path"].split("/")[1:]
            place: Any = found
            for step in steps:
                place = place[int(step) if isinstance(place, list) else step]
            place[int(last) if isinstance(place, list) else last] = copy.deepcopy(operation["value"])
        only_managers = all(operation["path"] == "/metadata/managedFields" for operation in operations)
        return self._store(found, "" if only_managers else manager)

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        if (kind.name, namespace, name) in self.objects:
            raise Conflict(f"{kind.name} {name!r} exists")
        return await self.apply(kind, manifest)

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._write("status", kind, manifest)
        metadata = manifest["metadata"]
        live = self.objects.get((kind.name, metadata["namespace"], metadata["name"]))
        if live is None:
            raise NotFound(f"{kind.name} {metadata['name']!r} is not there")
        if any(metadata.get(tie, live["metadata"][tie]) != live["metadata"][tie] for tie in ("uid", "resourceVersion")):
            raise Conflict(f"{kind.name} {metadata['name']!r} is not the one that was read")
        return self._store({**copy.deepcopy(live), "status": copy.deepcopy(manifest["status"])}, OPERATOR)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", version: str = "") -> None:
        live = self.objects.get((kind.name, namespace, name))
        if live is None:
            return
        self._write("delete", kind, live)
        metadata = live["metadata"]
        if uid not in ("", metadata["uid"]) or version not in ("", metadata["resourceVersion"]):
            raise Conflict(f"{kind.name} {name!r} is not the one with UID {uid} and version {version!r}")
        self.remove(kind.name, name, namespace)

    async def write_event(self, event: Manifest) -> None:
        error = self.refuse("event", event)
        if error is not None:
            raise error
        self.event_writes.append(event["involvedObject"]["name"])
        self.events[event["metadata"]["name"]] = copy.deepcopy(event)

    async def annotate_pod(self, namespace: str, name: str, annotations: dict[str, str]) -> None:
        if ("Pod", namespace, name) not in self.objects:
            raise NotFound(f"pod {name!r} is not there")
        pod = copy.deepcopy(self.objects["Pod", namespace, name])
        self._write("nudge", BY_NAME["Pod"], pod)
        pod["metadata"]["annotations"] = pod["metadata"].get("annotations", {}) | annotations
        self._store(pod, ADMIN)

    def create_as_operator(self, manifest: Manifest) -> Manifest:
        metadata = {**manifest["metadata"], "uid": f"uid-{next(self._versions)}", "generation": 1}
        self._applied[metadata["uid"]] = copy.deepcopy(manifest)
        return self._store({**copy.deepcopy(manifest), "metadata": metadata}, OPERATOR)

    def _check(self, kind: Kind) -> None:
        if kind.name in self.missing_apis:
            raise ApiMissing(f"the API of {kind.name} is not installed")

    def _write(self, verb: str, kind: Kind, manifest: Manifest) -> None:
        error = self.refuse(verb, manifest)
        if error is not None:
            raise error
        self.writes.append((verb, kind.name, manifest["metadata"]["name"]))

    def _store(self, manifest: Manifest, manager: str) -> Manifest:
        metadata = manifest["metadata"]
        metadata["resourceVersion"] = str(next(self._versions))
        operation = "Update" if manager in (ADMIN, MENDING) else "Apply"
        entry = {"manager": manager, "operation": operation}
        others = [each for each in metadata.get("managedFields", []) if each != entry]
        metadata["managedFields"] = [*others, entry] if manager else others
        key = manifest["kind"], metadata.get("namespace", ""), metadata["name"]
        before = self.objects.get(key)
        self.objects[key] = manifest
        if before is not None and not self._is_watched(manifest):
            # Who loses the label that is selected by is gone for those who watch by it.
            self._tell(before, gone=True)
        self._tell(copy.deepcopy(manifest), gone=False)
        return copy.deepcopy(manifest)

    def _tell(self, manifest: Manifest, *, gone: bool) -> None:
        if self._is_watched(manifest):
            self.on_change(BY_NAME[manifest["kind"]], manifest, gone)

    def _is_watched(self, manifest: Manifest) -> bool:
        kind = BY_NAME.get(manifest["kind"])
        return kind is not None and kind.selects(manifest["metadata"].get("labels", {}))


def _without(live: Any, before: Any, desired: Any) -> Any:
    """Return `live` without the members that were applied `before` and are not `desired` any more."""
    if not all(isinstance(side, dict) for side in (live, before, desired)):
        return live
    kept = {key: value for key, value in live.items() if key not in before or key in desired}
    return {key: _without(value, before.get(key), desired.get(key)) for key, value in kept.items()}


def _key(kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    cluster_scoped = kind in BY_NAME and BY_NAME[kind].cluster_scoped
    return kind, "" if cluster_scoped else namespace, name


def _merge(live: Any, desired: Any) -> Any:
    if isinstance(live, dict) and isinstance(desired, dict):
        return {
            key: _merge(live.get(key), desired[key]) if key in desired else live[key] for key in {**live, **desired}
        }
    return copy.deepcopy(desired)
