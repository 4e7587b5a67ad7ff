"""What a cluster in memory has come to, whichever way it came there; and what is wrong in it."""

import copy
from collections.abc import Iterator
from typing import Any

from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME, CHATBOT, CHILDREN, HOST_CLAIM, POD, SECRET
from smarter_operator.names import APPLIED_ANNOTATION
from smarter_operator.settings import Settings
from support.controllers import Controllers
from support.fake_cluster import FakeCluster
from support.operator_harness import SETTINGS, Harness

Facts = dict[tuple[str, str, str], Manifest]
CHILD_KINDS = frozenset(kind.name for kind in CHILDREN)

STRANGER = "somebody.example/"
"""Begins the labels and annotations that tests put on children in the name of others."""

_OF_THE_SERVER = ("uid", "resourceVersion", "generation", "managedFields")
_OF_THE_MOMENT = ("lastTransitionTime", "observedGeneration")


def facts(cluster: FakeCluster) -> Facts:
    """Return everything but pods; owners by name, None where the owner is not there."""
    names = {manifest["metadata"]["uid"]: key for key, manifest in cluster.objects.items()}
    return {key: _comparable(item, names) for key, item in cluster.objects.items() if key[0] != POD.name}


async def fresh(cluster: FakeCluster, settings: Settings = SETTINGS) -> FakeCluster:
    """Return what an operator that knows nothing makes of the same resources, in a cluster with nothing else in it."""
    # Far from the numbers of the other cluster, of which UIDs are made.
    other = FakeCluster(first_version=1_000_000)
    other.missing_apis |= cluster.missing_apis
    for manifest in cluster.objects.values():
        if not manifest["metadata"].get("ownerReferences"):
            other.create({key: value for key, value in manifest.items() if key != "status"})
    controllers = Controllers(other)
    async with controllers.serve(Harness(other, settings)):
        await controllers.rest()
    return other


def wrong(cluster: FakeCluster, expected: FakeCluster) -> list[str]:
    """Name what is not as a fresh operator would have it: a child too many, too few or different; a status that lies.

    Of a Chatbot that is refused, the children of its last good spec stay, and nothing else is known of it.
    """
    refused = refused_bots(expected)
    found = [
        text for key, text in _wrong_children(facts(cluster), facts(expected)) if _owner(key, cluster) not in refused
    ]
    for key, manifest in cluster.objects.items():
        if key[0] in BY_NAME and BY_NAME[key[0]].selector == "" and key[0] != HOST_CLAIM.name:
            limited = key[0] == CHATBOT.name and key[2] in refused
            found += _wrong_status(manifest, expected.objects[key], limited=limited)
    return found


def refused_bots(cluster: FakeCluster) -> set[str]:
    """Return the names of the Chatbots that are not accepted."""
    return {name for (kind, _, name), bot in cluster.objects.items() if kind == CHATBOT.name and _is_refused(bot)}


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Yield where the two differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from differences(found.get(key), wanted.get(key), f"{path}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, pair in enumerate(zip(found, wanted, strict=True)):
            yield from differences(*pair, f"{path}[{number}]")
    elif found != wanted:
        yield f"{path}: {str(found)[:200]} instead of {str(wanted)[:200]}"


def _wrong_children(found: Facts, wanted: Facts) -> Iterator[tuple[tuple[str, str, str], str]]:
    for key in sorted({*found, *wanted}):
        if key[0] in CHILD_KINDS:
            if key not in wanted or key not in found:
                yield key, f"{key} {'is missing' if key in wanted else 'should not be'}"
            else:
                yield from ((key, f"{key} {text}") for text in differences(_owned(found[key]), _owned(wanted[key])))


def _owner(key: tuple[str, str, str], cluster: FakeCluster) -> str:
    """Return the name of the Chatbot that is alive and owns the child; empty when none does."""
    [owner] = cluster.objects.get(key, {"metadata": {}})["metadata"].get("ownerReferences", [{"name": "", "uid": ""}])
    bot = cluster.objects.get((CHATBOT.name, key[1], owner["name"]))
    return str(owner["name"]) if bot and bot["metadata"]["uid"] == owner["uid"] else ""


def _owned(child: Manifest) -> Manifest:
    """Leave out the marks of strangers."""
    metadata = dict(child["metadata"])
    for member in ("annotations", "labels"):
        marks = {key: value for key, value in metadata.pop(member, {}).items() if not key.startswith(STRANGER)}
        metadata |= {member: marks} if marks else {}
    return {**child, "metadata": metadata}


def _wrong_status(manifest: Manifest, expected: Manifest, *, limited: bool) -> Iterator[str]:
    name = f"{manifest['kind']} {manifest['metadata']['name']!r}"
    status, wanted = manifest.get("status", {}), expected.get("status", {})
    if status.get("observedGeneration") != manifest["metadata"]["generation"]:
        yield f"{name}: its status is that of generation {status.get('observedGeneration')}"
    if limited:
        status, wanted = (_verdicts(side, "Accepted", "Ready") for side in (status, wanted))
    yield from (f"{name} status{text}" for text in differences(_timeless(status), _timeless(wanted)))


def _verdicts(status: Manifest, *names: str) -> Manifest:
    return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", []) if c["type"] in names}


def _comparable(manifest: Manifest, names: dict[str, tuple[str, str, str]]) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _OF_THE_SERVER}
    if "ownerReferences" in metadata:
        metadata["ownerReferences"] = [
            {**owner, "uid": names.get(owner["uid"])} for owner in metadata["ownerReferences"]
        ]
    made = copy.deepcopy({**manifest, "metadata": metadata})
    # The last config that a pod confirmed depends on what the operator has heard before, and with it the stamp.
    made.get("binaryData", {}).pop("good", None)
    if manifest["kind"] == SECRET.name:
        # Made at random.
        made.pop("data", None)
    made["metadata"].get("annotations", {}).pop(APPLIED_ANNOTATION, None)
    if "lastUsedTime" in made.get("spec", {}):
        made["spec"]["lastUsedTime"] = "at some time"
    return made | ({"status": _timeless(made["status"])} if "status" in made else {})


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _OF_THE_MOMENT}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def ready_bots(cluster: FakeCluster) -> list[str]:
    """Return the names of the Chatbots that are Ready."""
    bots = [manifest for manifest in cluster.objects.values() if manifest["kind"] == CHATBOT.name]
    return sorted(bot["metadata"]["name"] for bot in bots if ("Ready", "True") in _conditions(bot))


def _is_refused(bot: Manifest) -> bool:
    return ("Accepted", "False") in _conditions(bot)


def _conditions(bot: Manifest) -> list[tuple[str, str]]:
    return [(condition["type"], condition["status"]) for condition in bot.get("status", {}).get("conditions", [])]
