"""The place of a state machine where everything is real: API server, controllers, and the operator as a process."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME
from support.api import Api, ApiError, until_empty
from support.children import children
from support.facts import STRANGER
from support.harm import GONE, other, owned_fields, value_at, with_value
from support.real_facts import wrong
from support.tapped_operator import TappedOperator

MARK = f"{STRANGER}mark"
CONVERGED_SECONDS = 90
"""Far more than promised, for the machine may be busy with other things."""

T = TypeVar("T")


@dataclass
class Stage:
    """What all runs of the machine share; `loop` runs the rest of the test."""

    api: Api
    operator: TappedOperator
    loop: asyncio.AbstractEventLoop
    seconds: list[float] = field(default_factory=list)
    """How long each run took to converge."""


class SiteOnApiServer:
    """A namespace of its own. The machine lives in a thread; what it does is done in the loop of the test."""

    stage: Stage

    def __init__(self) -> None:
        self._api, self._operator = self.stage.api, self.stage.operator
        self._marked: dict[tuple[str, str], str] = {}
        self._namespace = self._run(self._api.namespace(f"turmoil-{uuid4().hex[:8]}"))
        self.start()

    def put(self, manifest: Manifest) -> None:
        placed = {**manifest, "metadata": {**manifest["metadata"], "namespace": self._namespace}}
        # Hosts of its own, for a host stays with who claimed it first, whatever became of the namespace.
        text = json.dumps(placed).replace(".example", f".{self._namespace}.example")
        self._run(self._api.apply(json.loads(text)))

    def drop(self, kind: str, name: str) -> None:
        self._run(self._tried(self._api.delete(kind, self._namespace, name)))

    def delete_child(self, pick: int) -> None:
        if child := self._pick(pick):
            self.drop(child["kind"], child["metadata"]["name"])

    def harm_child(self, pick: int, field: int, *, remove: bool) -> None:
        child = self._pick(pick)
        paths = owned_fields(child) if child else []
        if child and paths:
            path = paths[field % len(paths)]
            self._run(self._tried(replace(self._api, with_value(child, path, GONE if remove else _other(child, path)))))

    def mark_child(self, pick: int) -> None:
        if child := self._pick(pick):
            kind, name = child["kind"], child["metadata"]["name"]
            marks = {"metadata": {"labels": {MARK: "kept"}, "annotations": {MARK: "kept"}}}
            self._run(self._tried(self._api.patch(kind, self._namespace, name, marks)))
            self._marked[kind, name] = child["metadata"]["uid"]

    def kill(self, after_calls: int) -> None:
        if after_calls:
            self._operator.kill_after(after_calls)
        else:
            self._run(self._operator.kill())

    def start(self) -> None:
        self._run(self._operator.start())

    def wait(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds / 4))

    def check(self) -> list[str]:
        self._operator.tap.arm()
        return self._run(self._converged())

    def close(self) -> None:
        self._run(self._operator.start())
        for bot in self._run(self._api.list_all("Chatbot", self._namespace)):
            self.drop("Chatbot", bot["metadata"]["name"])
        self._run(self._api.delete("Namespace", "", self._namespace))

    async def _converged(self) -> list[str]:
        began = self.stage.loop.time()
        # A kill that was asked for may have come just now.
        await self._operator.start()
        try:
            await until_empty(self._left, CONVERGED_SECONDS)
        except AssertionError as error:
            return [str(error)]
        self.stage.seconds.append(self.stage.loop.time() - began)
        return []

    async def _left(self) -> list[str]:
        found = await wrong(self._api, self._namespace)
        for child in await children(self._api, self._namespace):
            metadata = child["metadata"]
            marked = self._marked.get((child["kind"], metadata["name"])) == metadata["uid"]
            if marked and any(MARK not in metadata.get(member, {}) for member in ("labels", "annotations")):
                found.append(f"{child['kind']} {metadata['name']} has lost what others wrote")
        return found

    async def _tried(self, work: Coroutine[Any, Any, object]) -> None:
        """Do what may be impossible by now: the object is gone or changed, or the API server refuses the value."""
        try:
            await work
        except ApiError as error:
            if error.code not in (404, 409, 422, 400):
                raise

    def _pick(self, pick: int) -> Manifest | None:
        there = self._run(children(self._api, self._namespace))
        return there[pick % len(there)] if there else None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.stage.loop).result(timeout=150)


async def replace(api: Api, manifest: Manifest) -> None:
    """Put `manifest` in place of what bears its name, as `kubectl replace` does."""
    kind, metadata = BY_NAME[manifest["kind"]], manifest["metadata"]
    body = {"apiVersion": kind.api_version, **manifest}
    await api.call("PUT", kind.path(metadata["namespace"], metadata["name"]), body=body)


def _other(child: Manifest, path: tuple[str | int, ...]) -> Any:
    with contextlib.suppress(TypeError):
        return other(value_at(child, path))
    return GONE
