"""The API server as a test uses it: as administrator, with plain dictionaries."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from smarter_operator.kinds import BY_NAME, Kind
from smarter_operator.kubernetes_cluster import load_configuration, new_session

Manifest = dict[str, Any]
T = TypeVar("T")

KINDS = BY_NAME | {
    "Namespace": Kind("Namespace", "", "v1", "namespaces"),
    "Secret": Kind("Secret", "", "v1", "secrets"),
    "ReplicaSet": Kind("ReplicaSet", "apps", "v1", "replicasets"),
    "ResourceQuota": Kind("ResourceQuota", "", "v1", "resourcequotas"),
    "ClusterRole": Kind("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles"),
}

WRITTEN_BY_CONTROLLERS = frozenset({"leases", "endpoints", "endpointslices", "events"})
"""What the controller manager writes at times of its own; the operator's role cannot write any of it."""

MUTATING = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Calls the API server of one kubeconfig; use it as an async context."""

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig

    async def __aenter__(self) -> "Api":
        configuration = await load_configuration(self._kubeconfig)
        self._host = str(configuration.host)
        self._session = new_session(configuration, connections=64)
        # The operator's own requests must be told from those that a test makes in its name.
        self._session.headers["User-Agent"] = "smarter-tests"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        # TLS connections end in later turns of the loop; one that outlives the loop would be reported as a leak.
        await asyncio.sleep(0.25)

    async def apply(self, *manifests: Manifest, manager: str = "kubectl") -> list[Manifest]:
        """Apply as `kubectl apply --server-side` does."""
        return [await self._apply(manifest, manager) for manifest in manifests]

    async def create(self, manifest: Manifest) -> Manifest:
        """Send it as JSON, which holds what YAML cannot."""
        path = KINDS[manifest["kind"]].path(manifest["metadata"].get("namespace", ""))
        return await self.call("POST", path, body=manifest)

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        try:
            return await self.call("GET", KINDS[kind].path(namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list_all(self, kind: str, namespace: str = "", selector: str = "") -> list[Manifest]:
        query = {"labelSelector": selector} if selector else {}
        items: list[Manifest] = (await self.call("GET", KINDS[kind].path(namespace), query=query))["items"]
        return items

    async def patch(self, kind: str, namespace: str, name: str, body: Manifest, subresource: str = "") -> Manifest:
        path = KINDS[kind].path(namespace, name) + (f"/{subresource}" if subresource else "")
        return await self.call("PATCH", path, body=body, content_type="application/merge-patch+json")

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        await self.call("DELETE", KINDS[kind].path(namespace, name))

    async def namespace(self, name: str) -> str:
        """Make a namespace in which the strictest pod security holds."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        await self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        return name

    async def condition(self, namespace: str, bot: str, name: str) -> tuple[str, str, str]:
        """Return status, reason and message of a Chatbot's condition; empty strings where there is none."""
        found = await self.get("Chatbot", namespace, bot) or {}
        conditions = {c["type"]: c for c in found.get("status", {}).get("conditions", [])}
        condition = conditions.get(name, {})
        return condition.get("status", ""), condition.get("reason", ""), condition.get("message", "")

    async def is_ready(self, namespace: str, bot: str) -> bool:
        """Tell whether the Chatbot is Ready for its newest generation."""
        found = await self.get("Chatbot", namespace, bot) or {}
        ready = [c for c in found.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        generation = found.get("metadata", {}).get("generation")
        return bool(ready) and ready[0]["status"] == "True" and ready[0]["observedGeneration"] == generation

    async def mutating_requests(self) -> dict[tuple[str, str, str], float]:
        """Return the API server's own count of mutating requests, by verb, resource and subresource."""
        text = await self.text("/metrics")
        found: dict[tuple[str, str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == "apiserver_request_total" and _counts(labels):
                    key = (labels["verb"], labels["resource"], labels["subresource"])
                    found[key] = found.get(key, 0) + sample.value
        return found

    async def versions(self, kind: str, namespace: str, since: Manifest) -> list[Manifest]:
        """Return every version of every object of `kind` that came after `since`, in their order."""
        version = since["metadata"]["resourceVersion"]
        query = f"?watch=true&resourceVersion={version}&timeoutSeconds=1"
        lines = (await self.text(KINDS[kind].path(namespace) + query)).splitlines()
        return [json.loads(line)["object"] for line in lines]

    async def text(self, path: str) -> str:
        async with self._session.get(self._host + path) as response:
            response.raise_for_status()
            return await response.text()

    async def call(
        self,
        verb: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Manifest:
        headers = {"Content-Type": content_type}
        timeout = aiohttp.ClientTimeout(total=30)
        async with self._session.request(
            verb, self._host + path, params=query, json=body, headers=headers, timeout=timeout
        ) as response:
            if response.status >= 300:
                raise ApiError(response.status, await response.text())
            answer: Manifest = await response.json(content_type=None)
            return answer

    async def _apply(self, manifest: Manifest, manager: str) -> Manifest:
        metadata = manifest["metadata"]
        path = KINDS[manifest["kind"]].path(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self.call("PATCH", path, query=query, body=manifest, content_type="application/apply-patch+yaml")


def _counts(labels: Mapping[str, str]) -> bool:
    return labels["verb"] in MUTATING and labels["resource"] not in WRITTEN_BY_CONTROLLERS


async def eventually(check: Callable[[], Awaitable[T]], timeout_seconds: float = 30, every_seconds: float = 0.1) -> T:
    """Ask until the answer is true and return it.

    Raises:
        AssertionError: naming the last answer, when the time is up.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_seconds
    while True:
        answer = await check()
        if answer:
            return answer
        if loop.time() > end:
            raise AssertionError(f"not within {timeout_seconds} s; the last answer was {answer!r}")
        await asyncio.sleep(every_seconds)


async def until_empty(left: Callable[[], Awaitable[list[str]]], timeout_seconds: float = 30) -> None:
    """Wait until nothing is left; the error names what is."""
    rest: list[str] = []

    async def empty() -> bool:
        rest[:] = await left()
        return not rest

    try:
        await eventually(empty, timeout_seconds)
    except AssertionError as error:
        raise AssertionError(f"left after {timeout_seconds} s: {rest}") from error
