"""Writing: finds out whose the names are, applies what differs, and removes what is no longer wanted."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from smarter_crds.compile import Problem
from smarter_operator import handover
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache
from smarter_operator.cluster import ApiMissing, Cluster, Manifest, NotFound, Rejected
from smarter_operator.drift import is_current, is_stuck
from smarter_operator.kinds import BY_NAME, CHILDREN, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, INGRESS, Kind
from smarter_operator.observe import World, controller_uid

_ROUTES = (INGRESS.name, HTTP_ROUTE.name)
_LATE = {DEPLOYMENT.name: 1, HORIZONTAL_POD_AUTOSCALER.name: 2}
"""What pods need to start comes before the Deployment; its autoscaler only when the number of pods is not ours."""

_NO_NAMESPACE = Problem("NamespaceGone", "The namespace is gone or is being deleted.")


logger = logging.getLogger(__name__)


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
    """Return the objects that hold a wanted child's name and are not controlled by `uid`.

    A child that we know needs no call. Any other is looked up, for a forced apply would take over a user's own object.
    """
    unknown = [child for child in desired if _live(child, world) is None]
    found = await asyncio.gather(*(_holder(child, cluster, apis) for child in unknown))
    return tuple(holder for holder in found if holder is not None and controller_uid(holder) != uid)


async def apply_children(
    desired: Sequence[Manifest], world: World, cluster: Cluster, cache: Cache, apis: MissingApis
) -> list[Problem]:
    """Apply every child that is not as desired. Returns what was refused; the others are applied all the same."""
    outdated = [child for child in desired if not _up_to_date(child, world)]
    refused: list[Problem] = []
    for stage in range(1 + max(_LATE.values())):
        children = [child for child in outdated if _LATE.get(child["kind"], 0) == stage]
        results = await asyncio.gather(*(_apply(child, world, cluster, cache, apis) for child in children))
        problems = [problem for problem in results if problem is not None]
        refused += problems
        if stage == _LATE[DEPLOYMENT.name] and problems:
            break
    return refused


async def prune_autoscaler(desired: Sequence[Manifest], world: World, cluster: Cluster) -> None:
    """Delete an autoscaler that is not desired any more, before it and we pull at the number of pods."""
    await _prune(desired, (HORIZONTAL_POD_AUTOSCALER,), world, cluster)


async def prune(desired: Sequence[Manifest], world: World, cluster: Cluster, cache: Cache) -> None:
    """Delete our other children that are not desired any more; the old route only when the new one is there."""
    kept = () if all(_exists(child, cache) for child in desired if child["kind"] in _ROUTES) else _ROUTES
    kinds = [kind for kind in CHILDREN if kind.name not in kept and kind is not HORIZONTAL_POD_AUTOSCALER]
    await _prune(desired, kinds, world, cluster)


async def _prune(desired: Sequence[Manifest], kinds: Iterable[Kind], world: World, cluster: Cluster) -> None:
    wanted = {(child["kind"], child["metadata"]["name"]) for child in desired}
    for kind in kinds:
        for child in world.of_kind(kind):
            if (kind.name, child["metadata"]["name"]) not in wanted and "deletionTimestamp" not in child["metadata"]:
                await _delete(kind, child, cluster)


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


async def _apply(child: Manifest, world: World, cluster: Cluster, cache: Cache, apis: MissingApis) -> Problem | None:
    kind, live = BY_NAME[child["kind"]], _live(child, world)
    if live is not None:
        # Tied to the object we know: if it was replaced meanwhile, the server answers with a conflict.
        child = {**child, "metadata": {**child["metadata"], "uid": live["metadata"]["uid"]}}
    try:
        if live is not None and is_stuck(child, live):
            # The news that it is gone brings us back, to make it anew.
            await _delete(kind, live, cluster)
        else:
            await _write(kind, child, live, cluster, cache)
        apis.is_there(kind)
    except ApiMissing:
        apis.is_missing(kind)
    except NotFound:
        return _NO_NAMESPACE
    except Rejected as error:
        logger.warning(
            "child refused", extra={"kind": kind.name, "child": child["metadata"]["name"], "error": str(error)}
        )
        return Problem("ApplyRefused", f"{kind.name} {child['metadata']['name']!r} was refused: {error}")
    return None


async def _write(kind: Kind, child: Manifest, live: Manifest | None, cluster: Cluster, cache: Cache) -> None:
    if live is not None and (held := handover.before_apply(child, live)):
        await cluster.apply(kind, held, handover.MANAGER)
    cache.put(kind, await cluster.apply(kind, child))
    now = cache.get(kind, child["metadata"]["namespace"], child["metadata"]["name"])
    if now is not None and (released := handover.after_apply(child, now)):
        cache.put(kind, await cluster.apply(kind, released, handover.MANAGER))


def _live(child: Manifest, world: World) -> Manifest | None:
    return world.child(BY_NAME[child["kind"]], child["metadata"]["name"])


def _exists(child: Manifest, cache: Cache) -> bool:
    return cache.get(BY_NAME[child["kind"]], child["metadata"]["namespace"], child["metadata"]["name"]) is not None


def _up_to_date(child: Manifest, world: World) -> bool:
    live = _live(child, world)
    return live is not None and is_current(child, live) and handover.is_finished(child, live)
