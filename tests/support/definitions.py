"""Definitions of other products' kinds that come to a cluster, and go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from smarter_cluster import toolchain
from smarter_cluster.settings import Settings
from support.api import Api, ApiError, eventually

Manifest = dict[str, Any]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

GATEWAY_API = "1.6.0"
"""A Gateway API that has ListenerSets; the cluster's is older, as many are."""


def listener_sets() -> Manifest:
    """Return the published definition of ListenerSets."""
    go = toolchain.go(Settings().cache, print)
    folder = toolchain.module_folder(go, "sigs.k8s.io/gateway-api", GATEWAY_API)
    text = (folder / "config/crd/standard/gateway.networking.k8s.io_listenersets.yaml").read_text(encoding="utf-8")
    definition: Manifest = yaml.safe_load(text)
    return definition


@asynccontextmanager
async def served(api: Api, definition: Manifest) -> AsyncIterator[None]:
    """Let the API server serve a kind for a while."""
    name = definition["metadata"]["name"]
    await api.call("POST", CRDS, body=definition)

    async def established() -> bool:
        found = await api.call("GET", f"{CRDS}/{name}")
        conditions = {c["type"]: c["status"] for c in found.get("status", {}).get("conditions") or []}
        return conditions.get("Established") == "True"

    await eventually(established)
    try:
        yield
    finally:
        await remove(api, name)


async def remove(api: Api, name: str) -> None:
    """Take a kind away, and wait until it has gone with all its objects."""
    try:
        await api.call("DELETE", f"{CRDS}/{name}")
    except ApiError as error:
        if error.code != 404:
            raise

    async def gone() -> bool:
        try:
            await api.call("GET", f"{CRDS}/{name}")
        except ApiError as error:
            return error.code == 404
        return False

    await eventually(gone, 30)
