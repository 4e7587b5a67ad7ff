"""What is wrong in a namespace of a real API server, judged by an operator that does not know its history."""

import asyncio
import copy
from collections.abc import AsyncIterator

from smarter_cluster.charts import NAMESPACE
from smarter_crds.compile import Platform
from smarter_crds.exposure import IssuerRef
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME, CHATBOT, CHILDREN, REFERENCED
from smarter_operator.names import APPLIED_ANNOTATION
from smarter_operator.settings import Settings
from support.api import Api, ApiError
from support.children import children
from support.facts import CHILD_KINDS, differences, fresh, refused_bots
from support.fake_cluster import FakeCluster
from support.virtual_time import virtual_runner

SETTINGS = Settings(
    runtime_image="runtime:test",
    namespace=NAMESPACE,
    platform=Platform(issuer_ref=IssuerRef(name="demo-ca", kind="ClusterIssuer")),
)
"""Those of the operator of the tests."""

_COMPARED = ("Accepted", "PluginsResolved", "ConfigLive", "Available", "CertificateReady")
"""The conditions for which the stand-in for the nodes does here what the one in memory does."""

_OF_THE_SERVER = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
_DRY_RUN = {"fieldManager": "smarter-operator", "force": "true", "dryRun": "All"}


async def expected(api: Api, namespace: str) -> FakeCluster:
    """Return what the resources that people made in `namespace` should have become."""
    cluster = FakeCluster()
    for kind in (CHATBOT, *REFERENCED):
        for item in await api.list_all(kind.name, namespace):
            cluster.create({"apiVersion": kind.api_version, "kind": kind.name, **item})
    cluster.missing_apis |= {kind.name for kind in CHILDREN if kind.optional and not await _is_there(api, kind.name)}
    return await asyncio.to_thread(_in_virtual_time, cluster)


def _in_virtual_time(cluster: FakeCluster) -> FakeCluster:
    with virtual_runner() as runner:
        return runner.run(fresh(cluster, SETTINGS))


async def wrong(api: Api, namespace: str) -> list[str]:
    """Name what is not as it should be; nothing is written for that."""
    target = await expected(api, namespace)
    refused = refused_bots(target)
    found = [text async for text in _wrong_statuses(api, namespace, target)]
    bots = {item["metadata"]["uid"]: item["metadata"]["name"] for item in await api.list_all(CHATBOT.name, namespace)}
    live = {(child["kind"], child["metadata"]["name"]): child for child in await children(api, namespace)}
    wanted = {(kind, name): child for (kind, _, name), child in target.objects.items() if kind in CHILD_KINDS}
    for key, child in live.items():
        owner = bots.get(child["metadata"].get("ownerReferences", [{"uid": ""}])[0]["uid"])
        if owner is None or (key not in wanted and owner not in refused):
            found.append(f"{key} should not be")
    for key, child in wanted.items():
        if key not in live:
            found.append(f"{key} is missing")
        else:
            found += [f"{key} {text}" for text in await _differences(api, child, live[key])]
    return found


async def _is_there(api: Api, kind: str) -> bool:
    try:
        await api.list_all(kind)
    except ApiError as error:
        return error.code != 404
    return True


async def _differences(api: Api, child: Manifest, live: Manifest) -> list[str]:
    """Ask the API server what applying the child would change."""
    kept = {key: value for key, value in child["metadata"].items() if key not in _OF_THE_SERVER}
    manifest = {key: value for key, value in child.items() if key != "status"} | {"metadata": kept}
    path = BY_NAME[child["kind"]].path(kept["namespace"], kept["name"])
    try:
        applied = await api.call(
            "PATCH", path, query=_DRY_RUN, body=manifest, content_type="application/apply-patch+yaml"
        )
    except ApiError as error:
        return [f"cannot be applied: {error}"]
    return list(differences(_comparable(live), _comparable(applied)))


def _comparable(manifest: Manifest) -> Manifest:
    made = copy.deepcopy({key: value for key, value in manifest.items() if key not in ("status", "kind", "apiVersion")})
    for key in _OF_THE_SERVER:
        made["metadata"].pop(key, None)
    # Both depend on what the operator has heard of pods before.
    made.get("binaryData", {}).pop("good", None)
    made["metadata"].get("annotations", {}).pop(APPLIED_ANNOTATION, None)
    return made


async def _wrong_statuses(api: Api, namespace: str, target: FakeCluster) -> AsyncIterator[str]:
    for kind in (CHATBOT, *REFERENCED):
        for item in await api.list_all(kind.name, namespace):
            name, status = item["metadata"]["name"], item.get("status", {})
            if status.get("observedGeneration") != item["metadata"]["generation"]:
                yield f"{kind.name} {name!r}: its status is that of generation {status.get('observedGeneration')}"
            wanted = target.objects.get((kind.name, namespace, name), {}).get("status", {})
            for text in differences(_said(status), _said(wanted)):
                yield f"{kind.name} {name!r} status{text}"


def _said(status: Manifest) -> Manifest:
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    refused = conditions.get("Accepted", {}).get("status") == "False"
    names = ("Accepted",) if refused else _COMPARED
    said = {name: (conditions[name]["status"], conditions[name]["reason"]) for name in names if name in conditions}
    return {"usedBy": status.get("usedBy"), **said}
