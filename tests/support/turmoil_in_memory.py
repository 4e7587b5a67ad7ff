"""The place of a state machine where everything is in memory and time is virtual: hundreds of runs in seconds."""

from collections.abc import Callable, Coroutine
from typing import Any

from smarter_operator.cluster import Manifest
from support.controllers import Controllers
from support.facts import CHILD_KINDS, STRANGER, fresh, wrong
from support.fake_cluster import FakeCluster
from support.harm import GONE, fields, other, value_at, with_value
from support.operator_harness import Harness
from support.recorded_cluster import RecordedCluster
from support.virtual_time import virtual_runner

MARK = f"{STRANGER}mark"


class SiteInMemory:
    """One cluster, and at most one operator."""

    def __init__(self) -> None:
        self._runner = virtual_runner()
        self._cluster = FakeCluster()
        self._controllers = Controllers(self._cluster)
        self._marked: dict[tuple[str, str, str], str] = {}
        self._harness: Harness | None = None
        self._recorded = RecordedCluster(self._cluster)
        self.start()

    def put(self, manifest: Manifest) -> None:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        live = self._cluster.objects.get((kind, "acme", name))
        if live is None:
            self._act(self._cluster.create, manifest)
        elif live["spec"] != manifest["spec"]:
            self._act(self._cluster.edit, kind, name, spec=manifest["spec"])

    def drop(self, kind: str, name: str) -> None:
        if (kind, "acme", name) in self._cluster.objects:
            self._act(self._cluster.remove, kind, name)

    def delete_child(self, pick: int) -> None:
        if child := self._pick(pick):
            self._act(self._cluster.remove, child["kind"], child["metadata"]["name"])

    def harm_child(self, pick: int, field: int, *, remove: bool) -> None:
        if child := self._pick(pick):
            paths = [path for path in fields(child) if STRANGER not in str(path)]
            path = paths[field % len(paths)]
            self._act(
                self._cluster.put_in_place, with_value(child, path, GONE if remove else other(value_at(child, path)))
            )

    def mark_child(self, pick: int) -> None:
        if child := self._pick(pick):
            for member in ("annotations", "labels"):
                child = with_value(child, ("metadata", member), child["metadata"].get(member, {}) | {MARK: "kept"})
            self._act(self._cluster.put_in_place, child)
            self._marked[child["kind"], "acme", child["metadata"]["name"]] = child["metadata"]["uid"]

    def kill(self, after_calls: int) -> None:
        self._recorded.arm(after_calls)
        if after_calls == 0:
            self._recorded.dead = True

    def start(self) -> None:
        if self._harness is not None and not self._recorded.dead:
            return
        self._stop()
        self._recorded = RecordedCluster(self._cluster)
        self._harness = self._controllers.serve(Harness(self._cluster, through=self._recorded.as_cluster))
        self._run(self._harness.__aenter__())

    def wait(self, seconds: float) -> None:
        self._run(self._controllers.run(seconds))

    def check(self) -> list[str]:
        self._recorded.arm()
        self._run(self._controllers.rest())
        found = wrong(self._cluster, self._run(fresh(self._cluster)))
        return found + [f"{key} has lost what others wrote" for key in self._marked if self._has_lost_its_marks(key)]

    def close(self) -> None:
        try:
            self._stop()
        finally:
            self._runner.close()

    def _stop(self) -> None:
        self._cluster.on_change = lambda kind, manifest, gone: None
        if self._harness is not None:
            self._run(self._harness.__aexit__())
        self._harness = None

    def _has_lost_its_marks(self, key: tuple[str, str, str]) -> bool:
        metadata = self._cluster.objects.get(key, {"metadata": {}})["metadata"]
        is_the_same = metadata.get("uid") == self._marked[key]
        return is_the_same and any(MARK not in metadata.get(member, {}) for member in ("annotations", "labels"))

    def _pick(self, pick: int) -> Manifest | None:
        there = [child for key, child in sorted(self._cluster.objects.items()) if key[0] in CHILD_KINDS]
        return there[pick % len(there)] if there else None

    def _act(self, act: Callable[..., Any], *arguments: Any, **members: Any) -> None:
        """Change the cluster while the loop runs, for whoever watches sets timers."""

        async def acting() -> None:
            act(*arguments, **members)

        self._run(acting())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)
