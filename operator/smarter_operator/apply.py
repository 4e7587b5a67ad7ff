"""Writing: finds out whose the names are, applies what differs, and removes what is no longer wanted."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from smarter_crds.compile import Problem
from smarter_operator.apis import MissingApis
from smarter_operator.cache import Cache
from smarter_operator.cluster import ApiMissing, Cluster, Manifest, NotFound, Rejected
from smarter_operator.drift import is_current
from smarter_operator.kinds import BY_NAME, CHILDREN, DEPLOYMENT, HTTP_ROUTE, INGRESS
from smarter_operator.observe import World, controller_uid

_ROUTES = (INGRESS.name, HTTP_ROUTE.name)
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
    first = [child for child in outdated if child["kind"] != DEPLOYMENT.name]
    last = [child for child in outdated if child["kind"] == DEPLOYMENT.name]
    refused: list[Problem] = []
    for stage in (first, last):
        results = await asyncio.gather(*(_apply(child, world, cluster, cache, apis) for child in stage))
        refused += [problem for problem in results if problem is not None]
    return refused


async def prune(desired: Sequence[Manifest], world: World, cluster: Cluster, cache: Cache) -> None:
    """Delete our children that are not desired any more; the old route only when the new one is there."""
    wanted = {(child["kind"], child["metadata"]["name"]) for child in desired}
    kept = () if all(_exists(child, cache) for child in desired if child["kind"] in _ROUTES) else _ROUTES
    for kind in (kind for kind in CHILDREN if kind.name not in kept):
        for child in world.of_kind(kind):
            metadata = child["metadata"]
            if (kind.name, metadata["name"]) not in wanted and "deletionTimestamp" not in metadata:
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
        cache.put(kind, await cluster.apply(kind, child))
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


def _live(child: Manifest, world: World) -> Manifest | None:
    return world.child(BY_NAME[child["kind"]], child["metadata"]["name"])


def _exists(child: Manifest, cache: Cache) -> bool:
    return cache.get(BY_NAME[child["kind"]], child["metadata"]["namespace"], child["metadata"]["name"]) is not None


def _up_to_date(child: Manifest, world: World) -> bool:
    live = _live(child, world)
    return live is not None and is_current(child, live)
