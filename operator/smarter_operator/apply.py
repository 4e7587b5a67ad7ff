"""Writing: finds out whose the names are, applies what differs, and removes what is no longer wanted."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smarter_crds.compile import Problem
from smarter_operator import handover, mending
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache
from smarter_operator.cluster import ApiMissing, Cluster, Conflict, Manifest, NotFound, Rejected
from smarter_operator.drift import is_current, is_stuck
from smarter_operator.kinds import (
    BY_NAME,
    CHILDREN,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    LISTENER_SET,
    Kind,
)
from smarter_operator.observe import World, controller_uid

_ROUTES = (INGRESS.name, HTTP_ROUTE.name, LISTENER_SET.name)
_LATE = {DEPLOYMENT.name: 1, HORIZONTAL_POD_AUTOSCALER.name: 2}
"""What pods need to start comes before the Deployment; its autoscaler only when the number of pods is not ours."""

_NO_NAMESPACE = Problem("NamespaceGone", "The namespace is gone or is being deleted.")


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What became of children that were to be applied."""

    refused: tuple[Problem, ...] = ()
    """Why the API server did not take some."""

    strangers: tuple[Manifest, ...] = ()
    """Objects of somebody else that hold the name of a child; with kind and metadata."""

    made: tuple[Manifest, ...] = ()
    """Children that did not exist before."""


def possible(desired: Sequence[Manifest], world: World, apis: MissingApis) -> list[Manifest]:
    """Return those children whose API is not known to be missing; now and then also others, to find out again."""
    absent = [child for child in desired if _live(child, world) is None]
    asked = apis.to_ask(BY_NAME[child["kind"]] for child in absent)
    return [child for child in desired if child not in absent or child["kind"] in asked]


def missing(desired: Iterable[Manifest], world: World, apis: MissingApis) -> frozenset[str]:
    """Return the kinds of wanted children that do not exist because their API is missing."""
    return apis.missing(BY_NAME[child["kind"]] for child in desired if _live(child, world) is None)


async def strangers(
    desired: Iterable[Manifest], uid: str, world: World, cluster: Cluster, apis: MissingApis
) -> tuple[Manifest, ...]:
    """Return the objects that hold a wanted child's name and are not controlled by `uid`, before anything is written.

    A child that we know needs no call. A Chatbot that has no children yet is most likely just made, and its names are
    free: there only those APIs are asked of which nobody knows yet whether the cluster lacks them, and whoever does
    hold a name is found by applying.
    """
    unknown = [child for child in desired if _live(child, world) is None]
    asked = [child for child in unknown if world.children or world.taken or apis.is_unknown(BY_NAME[child["kind"]])]
    found = await asyncio.gather(*(_holder(child, cluster, apis) for child in asked))
    return tuple(holder for holder in found if holder is not None and controller_uid(holder) != uid)


async def apply_children(
    desired: Sequence[Manifest], world: World, cluster: Cluster, cache: Cache, apis: MissingApis
) -> Applied:
    """Apply every child that is not as desired; what is refused does not keep the others from it.

    Where an object of somebody else holds a name, what was made is taken back and the rest is not applied.
    """
    outdated = [child for child in desired if not _up_to_date(child, world)]
    done: list[Applied] = []
    for stage in range(1 + max(_LATE.values())):
        children = [child for child in outdated if _LATE.get(child["kind"], 0) == stage]
        results = await asyncio.gather(*(_apply(child, world, cluster, cache, apis) for child in children))
        done += results
        if strangers := tuple(stranger for applied in done for stranger in applied.strangers):
            made = [child for applied in done for child in applied.made]
            await asyncio.gather(*(_take_back(child, cluster, cache) for child in made))
            return Applied(strangers=strangers)
        if stage == _LATE[DEPLOYMENT.name] and any(applied.refused for applied in results):
            break
    return Applied(refused=tuple(problem for applied in done for problem in applied.refused))


async def prune_autoscaler(desired: Sequence[Manifest], world: World, cluster: Cluster) -> tuple[Problem, ...]:
    """Delete an autoscaler that is not desired any more, before it and we pull at the number of pods."""
    return await _prune(desired, (HORIZONTAL_POD_AUTOSCALER,), world, cluster)


async def prune(desired: Sequence[Manifest], world: World, cluster: Cluster, cache: Cache) -> tuple[Problem, ...]:
    """Delete our other children that are not desired any more; the old route only when the new one is there.

    Returns why the API server did not let some go.
    """
    kept = () if all(_exists(child, cache) for child in desired if child["kind"] in _ROUTES) else _ROUTES
    kinds = [kind for kind in CHILDREN if kind.name not in kept and kind is not HORIZONTAL_POD_AUTOSCALER]
    return await _prune(desired, kinds, world, cluster)


async def _prune(
    desired: Sequence[Manifest], kinds: Iterable[Kind], world: World, cluster: Cluster
) -> tuple[Problem, ...]:
    wanted = {(child["kind"], child["metadata"]["name"]) for child in desired}
    refused = []
    for kind in kinds:
        for child in world.of_kind(kind):
            name, metadata = child["metadata"]["name"], child["metadata"]
            if (kind.name, name) in wanted or "deletionTimestamp" in metadata:
                continue
            try:
                await _delete(kind, child, cluster)
            except Rejected as error:
                message = f"{kind.name} {name!r} is not wanted any more, and its deletion was refused: {error}"
                refused.append(Problem("DeleteRefused", message))
    return tuple(refused)


async def _take_back(child: Manifest, cluster: Cluster, cache: Cache) -> None:
    kind = BY_NAME[child["kind"]]
    await _delete(kind, child, cluster)
    cache.discard(kind, child)


async def _delete(kind: Kind, child: Manifest, cluster: Cluster) -> None:
    metadata = child["metadata"]
    await cluster.delete(kind, metadata["namespace"], metadata["name"], metadata["uid"])


async def _holder(child: Manifest, cluster: Cluster, apis: MissingApis) -> Manifest | None:
    kind, metadata = BY_NAME[child["kind"]], child["metadata"]
    try:
        found = await cluster.read_metadata(kind, metadata["namespace"], metadata["name"])
    except ApiMissing:
        apis.is_missing(kind)
        return None
    apis.is_there(kind)
    return None if found is None else {"kind": kind.name, "metadata": found["metadata"]}


async def _apply(child: Manifest, world: World, cluster: Cluster, cache: Cache, apis: MissingApis) -> Applied:
    kind, live = BY_NAME[child["kind"]], _live(child, world)
    try:
        if live is None:
            return await _make(child, cluster, cache, apis)
        if is_stuck(child, live):
            # The news that it is gone brings us back, to make it anew.
            await _delete(kind, live, cluster)
        else:
            await _write(kind, child, live, cluster, cache)
    except ApiMissing:
        apis.is_missing(kind)
    except NotFound:
        return Applied(refused=(_NO_NAMESPACE,))
    except Rejected as error:
        logger.warning(
            "child refused", extra={"kind": kind.name, "child": child["metadata"]["name"], "error": str(error)}
        )
        message = f"{kind.name} {child['metadata']['name']!r} was refused: {error}"
        return Applied(refused=(Problem("ApplyRefused", message),))
    return Applied()


async def _make(child: Manifest, cluster: Cluster, cache: Cache, apis: MissingApis) -> Applied:
    kind = BY_NAME[child["kind"]]
    try:
        made = await cluster.apply_new(kind, child)
    except Conflict:
        holder = await _holder(child, cluster, apis)
        if holder is None:
            raise
        if controller_uid(holder) != controller_uid(child):
            return Applied(strangers=(holder,))
        # One of ours that we do not know as such: it lost its label, or is too new.
        cache.put(kind, await cluster.apply(kind, _tied(child, holder)))
        return Applied()
    apis.is_there(kind)
    cache.put(kind, made)
    return Applied(made=({**made, "kind": kind.name},))


def _tied(child: Manifest, live: Manifest) -> Manifest:
    """Tie the child to the object we know: if it was replaced meanwhile, the server answers with a conflict."""
    return {**child, "metadata": {**child["metadata"], "uid": live["metadata"]["uid"]}}


async def _write(kind: Kind, child: Manifest, live: Manifest, cluster: Cluster, cache: Cache) -> None:
    if wrong := mending.renamed(child, live):
        live = await cluster.patch(kind, live, wrong, mending.MANAGER)
        cache.put(kind, live)
    if held := handover.before_apply(child, live):
        await cluster.apply(kind, held, handover.MANAGER)
    applied = await cluster.apply(kind, _tied(child, live))
    if held_on_to := mending.released(applied):
        applied = await cluster.patch(kind, applied, held_on_to, mending.MANAGER)
    cache.put(kind, applied)
    now = cache.get(kind, child["metadata"]["namespace"], child["metadata"]["name"])
    if now is not None and (released := handover.after_apply(child, now)):
        cache.put(kind, await cluster.apply(kind, released, handover.MANAGER))


def _live(child: Manifest, world: World) -> Manifest | None:
    return world.child(BY_NAME[child["kind"]], child["metadata"]["name"])


def _exists(child: Manifest, cache: Cache) -> bool:
    return cache.get(BY_NAME[child["kind"]], child["metadata"]["namespace"], child["metadata"]["name"]) is not None


def _up_to_date(child: Manifest, world: World) -> bool:
    live = _live(child, world)
    if live is None or not is_current(child, live):
        return False
    return handover.is_finished(child, live) and mending.is_finished(live)
