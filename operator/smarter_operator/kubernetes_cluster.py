"""The real cluster: the official asyncio client, used with plain dictionaries, for typed models cost milliseconds."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from smarter_operator import metrics, names
from smarter_operator.cluster import ApiMissing, ClusterError, Conflict, Manifest, NotFound, Rejected, Unavailable
from smarter_operator.kinds import EVENT, NAMESPACE, POD, Kind

_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_JSON = "application/json"
_UNLIKE_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""The API server reads what is applied as YAML, which takes some of JSON's characters for errors or ends of lines."""
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE = 500
_NO_SUCH_SHAPE = "failed to create typed patch object"
"""How the API server answers, with code 500, an apply that holds a field which the kind does not have."""
_NOT_ADMITTED = ("denied the request: ", "denied request: ", "failed calling webhook")
"""What admission says, by webhooks, by policies, and where a webhook does not answer; the code is its own choice."""
_WRITE_QUERY = {"fieldManager": names.FIELD_MANAGER}

_NO_OBJECTS_VERSION = "1"
"""The version of an empty store, and so of no object: where one exists, asking for this version is a conflict.

An object that is created gets a version of its own, and the API server does not look at the one it was given.
"""

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
Middleware = Callable[[aiohttp.ClientRequest, Handler], Awaitable[aiohttp.ClientResponse]]


async def load_configuration(kubeconfig: str) -> Configuration:
    """Return how to reach the API server: by the kubeconfig at that path, or, when empty, as the pod's service account.

    Raises:
        kubernetes.aio.config.ConfigException: when neither is usable.
    """
    configuration = Configuration()
    if kubeconfig:
        await kube_config.load_kube_config(
            config_file=kubeconfig, client_configuration=configuration, persist_config=False
        )
    else:
        kube_config.load_incluster_config(client_configuration=configuration)
    return configuration


def new_session(configuration: Configuration, connections: int, *middlewares: Middleware) -> aiohttp.ClientSession:
    """Open a session that authenticates every request anew, so that a rotated service account token is used at once."""

    async def authenticate(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        setting = (await configuration.auth_settings()).get("BearerToken")
        if setting:
            request.headers["Authorization"] = str(setting["value"])
        return await handler(request)

    rest = RESTClientObject(configuration)
    connector = aiohttp.TCPConnector(limit=connections, ssl=rest.ssl_context)
    return aiohttp.ClientSession(
        connector=connector,
        middlewares=(authenticate, *middlewares),
        proxy=configuration.proxy,
        headers={"User-Agent": names.FIELD_MANAGER},
        read_bufsize=2**21,
    )


class KubernetesCluster:
    """A `Cluster` over HTTP. `host` and `session` come from `load_configuration` and `new_session`.

    Lists reach the given namespaces only; without any, all.
    """

    def __init__(
        self, host: str, session: aiohttp.ClientSession, timeout_seconds: float, namespaces: tuple[str, ...] = ()
    ) -> None:
        self._host = host
        self._session = session
        self._namespaces = namespaces
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def list_objects(self, kind: Kind, namespace: str = "", name: str = "") -> list[Manifest]:
        query = {"fieldSelector": f"metadata.name={name}"} if name else {}
        listed = await self._list(kind, namespace, _JSON, query)
        return [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in listed]

    async def list_metadata(self, kind: Kind) -> list[Manifest]:
        return await self._list(kind, "", _METADATA_LIST, {})

    async def _list(self, kind: Kind, namespace: str, accept: str, query: dict[str, str]) -> list[Manifest]:
        if namespace or kind.cluster_scoped or not self._namespaces:
            return await self._pages(kind, kind.path(namespace), accept, query)
        parts = [await self._within(kind, watched, accept, query) for watched in self._namespaces]
        return [item for part in parts for item in part]

    async def _within(self, kind: Kind, namespace: str, accept: str, query: dict[str, str]) -> list[Manifest]:
        try:
            return await self._pages(kind, kind.path(namespace), accept, query)
        except Rejected:
            # With the namespace goes the Role that lets us look into it, and often before all else that is in it.
            found = await self.list_objects(NAMESPACE, name=namespace)
            if any("deletionTimestamp" not in item["metadata"] for item in found):
                raise
            return []

    async def _pages(self, kind: Kind, path: str, accept: str, query: dict[str, str]) -> list[Manifest]:
        found: list[Manifest] = []
        query = {**query, "limit": str(_PAGE)} | ({"labelSelector": kind.selector} if kind.selector else {})
        while True:
            try:
                page = await self.call(Request(verb="GET", kind=kind, path=path, query=query, accept=accept))
            except NotFound:
                return []
            # An empty list of metadata comes as null.
            found += page["items"] or []
            token = page.get("metadata", {}).get("continue")
            if not token:
                return found
            query["continue"] = token

    async def read_metadata(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            path = kind.path(namespace, name)
            return await self.call(Request(verb="GET", kind=kind, path=path, accept=_METADATA_ONLY))
        except ApiMissing:
            raise
        except NotFound:
            return None

    async def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self.call(Request(verb="GET", kind=kind, path=kind.path(namespace, name)))
        except NotFound:
            return None

    async def create_object(self, kind: Kind, manifest: Manifest) -> Manifest:
        path = kind.path(manifest["metadata"].get("namespace", ""))
        return await self.call(Request(verb="POST", kind=kind, path=path, query=_WRITE_QUERY, body=manifest))

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return await self.call(Request(verb="PUT", kind=kind, path=path, query=_WRITE_QUERY, body=manifest))

    async def apply(self, kind: Kind, manifest: Manifest, manager: str = names.FIELD_MANAGER) -> Manifest:
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"])
        return await self.call(_apply(kind, path, manifest, manager))

    async def patch(
        self, kind: Kind, live: Manifest, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> Manifest:
        metadata = live["metadata"]
        # A version that is set and not the newest is a conflict; one that is tested would be an invalid patch.
        version = {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
        request = Request(
            verb="PATCH",
            kind=kind,
            path=kind.path(metadata["namespace"], metadata["name"]),
            query={"fieldManager": manager},
            body=[version, *operations],
            content_type=_JSON_PATCH,
        )
        return await self.call(request)

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        metadata = {**manifest["metadata"], "resourceVersion": _NO_OBJECTS_VERSION}
        return await self.apply(kind, {**manifest, "metadata": metadata})

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"]) + "/status"
        return await self.call(_apply(kind, path, manifest, names.FIELD_MANAGER))

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str = "", version: str = "") -> None:
        preconditions = ({"uid": uid} if uid else {}) | ({"resourceVersion": version} if version else {})
        options: Manifest = {"propagationPolicy": "Background"}
        options |= {"preconditions": preconditions} if preconditions else {}
        try:
            await self.call(Request(verb="DELETE", kind=kind, path=kind.path(namespace, name), body=options))
        except NotFound:
            return

    async def write_event(self, event: Manifest) -> None:
        path = EVENT.path(event["metadata"]["namespace"], event["metadata"]["name"])
        await self.call(_apply(EVENT, path, event, names.FIELD_MANAGER))

    async def annotate_pod(self, namespace: str, name: str, annotations: dict[str, str]) -> None:
        path = POD.path(namespace, name) + "/status"
        body = {"metadata": {"annotations": annotations}}
        request = Request(verb="PATCH", kind=POD, path=path, query=_WRITE_QUERY, body=body, content_type=_MERGE_PATCH)
        await self.call(request)

    async def call(self, request: "Request") -> Manifest:
        """Send one request and return the answer's JSON; every failure becomes a `ClusterError`."""
        started = time.perf_counter()
        what = f"cannot {request.verb.lower()} {request.path}"
        try:
            async with self._send(request) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            metrics.api_request(request.verb, request.kind.name, "none", time.perf_counter() - started)
            raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error
        metrics.api_request(request.verb, request.kind.name, str(response.status), time.perf_counter() - started)
        if response.status < 300:
            return _parse(answer)
        if response.status == 404 and request.kind.optional and not _names_an_object(answer):
            raise ApiMissing(f"{what}: the API {request.kind.api_version} is not installed")
        raise _error(response.status, f"{what}: {_message(answer)}", response.headers.get("Retry-After", ""))

    def _send(self, request: "Request") -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._session.request(
            request.verb,
            self._host + request.path + (f"?{urlencode(request.query)}" if request.query else ""),
            data=None if request.body is None else _encoded(request.body),
            headers={"Accept": request.accept, "Content-Type": request.content_type},
            timeout=self._timeout,
        )


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of the API; `path` is absolute, `body` is sent as JSON."""

    verb: str
    kind: Kind
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = _JSON
    accept: str = _JSON


def _apply(kind: Kind, path: str, manifest: Manifest, manager: str) -> Request:
    query = {"fieldManager": manager, "force": "true"}
    return Request(verb="PATCH", kind=kind, path=path, query=query, body=manifest, content_type=_APPLY)


def _encoded(body: Any) -> bytes:
    """Return `body` as JSON that is YAML, too."""
    encoded = orjson.dumps(body)
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return _UNLIKE_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded.decode()).encode()


def _parse(answer: bytes) -> Manifest:
    parsed: Manifest = orjson.loads(answer)
    return parsed


def _message(answer: bytes) -> str:
    """Return the sentence of a `Status` object; anything else may hold what does not belong into a log."""
    try:
        return str(orjson.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return "the answer is no Kubernetes Status"


def _names_an_object(answer: bytes) -> bool:
    """Tell whether a 404 says which object is not there; where the whole path is unknown, it does not."""
    try:
        return bool(orjson.loads(answer)["details"]["name"])
    except (ValueError, KeyError, TypeError):
        return False


def _error(code: int, message: str, retry_after: str) -> ClusterError:
    if _NO_SUCH_SHAPE in message or any(words in message for words in _NOT_ADMITTED):
        return Rejected(message)
    if code == 404:
        return NotFound(message)
    if code == 409:
        return Conflict(message)
    if code == 429 or code >= 500 or code == 401:
        return Unavailable(message, float(retry_after) if retry_after.isdigit() else 0)
    return Rejected(message)
