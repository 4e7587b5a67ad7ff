"""The real client against a server that answers as the API server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.configuration import Configuration

from smarter_operator.cluster import ApiMissing, ClusterError, Conflict, NotFound, Rejected, Unavailable
from smarter_operator.kinds import CERTIFICATE, HOST_CLAIM, PLUGIN, SERVICE
from smarter_operator.kubernetes_cluster import KubernetesCluster, new_session
from smarter_operator.pod_client import HttpStatusClient

SECRET = "hunter2"


class Server:
    """Answers every request with the next of `answers` and remembers what was asked."""

    def __init__(self, *answers: web.Response) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.bodies.append(await request.read())
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        return self._answers.pop(0)


@asynccontextmanager
async def cluster_of(
    server: Server, timeout_seconds: float = 5, namespaces: tuple[str, ...] = ()
) -> AsyncIterator[KubernetesCluster]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as listening, aiohttp.ClientSession() as session:
        yield KubernetesCluster(str(listening.make_url("")).rstrip("/"), session, timeout_seconds, namespaces)


def status(code: int, message: str, **headers: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message}, status=code, headers=headers)


SERVICE_MANIFEST = {"kind": "Service", "metadata": {"name": "support", "namespace": "acme"}}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        pytest.param(status(404, "not there"), NotFound, "not there", id="404"),
        pytest.param(status(409, "uid mismatch"), Conflict, "uid mismatch", id="409"),
        pytest.param(status(403, "exceeded quota"), Rejected, "exceeded quota", id="403"),
        pytest.param(status(422, "is invalid"), Rejected, "is invalid", id="422"),
        *(
            pytest.param(status(code, f"{who}: not on Fridays"), Rejected, "not on Fridays", id=f"{code}-by-{by}")
            for code in (401, 404, 409, 429, 500)
            for by, who in (
                ("a-webhook", 'admission webhook "a.example" denied the request'),
                ("a-policy", "services \"support\" is forbidden: ValidatingAdmissionPolicy 'p' denied request"),
            )
        ),
        pytest.param(
            status(500, 'Internal error occurred: failed calling webhook "a.example": no route to host'),
            Rejected,
            "no route to host",
            id="a-webhook-that-does-not-answer",
        ),
        pytest.param(status(500, "etcd is away"), Unavailable, "etcd is away", id="500"),
        pytest.param(status(401, "expired"), Unavailable, "expired", id="401"),
        pytest.param(web.Response(status=502, text=f"<html>{SECRET}"), Unavailable, "no Kubernetes Status", id="proxy"),
    ],
)
async def test_an_error_says_what_failed_and_whether_trying_again_helps(
    answer: web.Response, error: type[ClusterError], said: str
) -> None:
    async with cluster_of(Server(answer)) as cluster:
        with pytest.raises(error, match=said) as caught:
            await cluster.apply(SERVICE, SERVICE_MANIFEST)
    assert "cannot patch /api/v1/namespaces/acme/services/support" in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_the_patience_that_the_server_asks_for_is_told() -> None:
    async with cluster_of(Server(status(429, "slow down", **{"Retry-After": "7"}))) as cluster:
        with pytest.raises(Unavailable) as caught:
            await cluster.apply(SERVICE, SERVICE_MANIFEST)
    assert caught.value.retry_after_seconds == 7


async def test_a_server_that_hangs_is_unavailable() -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hang)
    async with TestServer(app) as listening, aiohttp.ClientSession() as session:
        cluster = KubernetesCluster(str(listening.make_url("")).rstrip("/"), session, timeout_seconds=0.05)
        with pytest.raises(Unavailable, match="TimeoutError"):
            await cluster.list_objects(PLUGIN)


async def test_what_is_applied_is_json_and_yaml_alike_whatever_characters_it_holds() -> None:
    """The server parses it as YAML; the parser of these tests is stricter than that of Go, and agrees on lines."""
    text = "Größe \U0001f680" + "".join(map(chr, [*range(0x100), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF]))
    manifest = SERVICE_MANIFEST | {"metadata": {"name": "support", "namespace": "acme", "annotations": {"text": text}}}
    server = Server(web.json_response({"kind": "Service"}))
    async with cluster_of(server) as cluster:
        await cluster.apply(SERVICE, manifest)
    [(_, _, _, body)] = server.requests
    assert body == manifest
    assert yaml.safe_load(server.bodies[0]) == manifest


async def test_an_apply_is_forced_under_our_name() -> None:
    server = Server(web.json_response({"kind": "Service"}))
    async with cluster_of(server) as cluster:
        await cluster.apply(SERVICE, SERVICE_MANIFEST)
    [(verb, path, headers, body)] = server.requests
    assert (verb, headers["Content-Type"], body) == ("PATCH", "application/apply-patch+yaml", SERVICE_MANIFEST)
    assert path == "/api/v1/namespaces/acme/services/support?fieldManager=smarter-operator&force=true"


async def test_a_list_is_read_page_by_page_and_limited_to_what_is_ours() -> None:
    first = web.json_response({"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]})
    second = web.json_response({"metadata": {}, "items": [{"metadata": {"name": "b"}}]})
    server = Server(first, second)
    async with cluster_of(server) as cluster:
        found = await cluster.list_objects(SERVICE)
    assert [(item["kind"], item["apiVersion"], item["metadata"]["name"]) for item in found] == [
        ("Service", "v1", "a"),
        ("Service", "v1", "b"),
    ]
    assert "labelSelector=smarter.sh/chatbot" in server.requests[0][1]
    assert "continue=next" in server.requests[1][1]


async def test_an_api_that_is_not_installed_lists_nothing() -> None:
    async with cluster_of(Server(status(404, "page not found"))) as cluster:
        assert await cluster.list_objects(CERTIFICATE) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(web.Response(status=404, text="404 page not found"), ApiMissing, id="no-api"),
        pytest.param(
            web.json_response({"message": "not there", "details": {"name": "acme"}}, status=404), NotFound,
            id="no-namespace",
        ),
    ],
)  # fmt: skip
async def test_an_api_that_is_not_installed_is_told_from_a_namespace_that_is_gone(
    answer: web.Response, error: type[ClusterError]
) -> None:
    manifest = {"kind": "Certificate", "metadata": {"name": "support", "namespace": "acme"}}
    async with cluster_of(Server(answer)) as cluster:
        with pytest.raises(error) as caught:
            await cluster.apply(CERTIFICATE, manifest)
    assert type(caught.value) is error


async def test_a_name_in_an_api_that_is_not_installed_is_not_free() -> None:
    missing = web.Response(status=404, text="404 page not found")
    absent = web.json_response({"message": "not there", "details": {"name": "support"}}, status=404)
    async with cluster_of(Server(missing, absent)) as cluster:
        with pytest.raises(ApiMissing, match=r"cert-manager.io/v1 is not installed"):
            await cluster.read_metadata(CERTIFICATE, "acme", "support")
        assert await cluster.read_metadata(CERTIFICATE, "acme", "support") is None


async def test_only_metadata_of_a_names_holder_is_read() -> None:
    server = Server(web.json_response({"metadata": {"uid": "1"}}), status(404, "no"))
    async with cluster_of(server) as cluster:
        assert await cluster.read_metadata(SERVICE, "acme", "support") == {"metadata": {"uid": "1"}}
        assert await cluster.read_metadata(SERVICE, "acme", "other") is None
    assert "as=PartialObjectMetadata" in server.requests[0][2]["Accept"]


async def test_a_deletion_names_the_object_it_means() -> None:
    server = Server(web.json_response({}), status(404, "gone"))
    async with cluster_of(server) as cluster:
        await cluster.delete(SERVICE, "acme", "support", "uid-1")
        await cluster.delete(SERVICE, "acme", "support", "uid-1")
    assert server.requests[0][3]["preconditions"] == {"uid": "uid-1"}


async def test_a_rotated_token_is_used_by_the_next_request() -> None:
    server = Server(web.json_response({}), web.json_response({}))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    configuration = Configuration()
    async with TestServer(app) as listening, new_session(configuration, connections=2) as session:
        for token in ("bearer first", "bearer second"):
            configuration.api_key["BearerToken"] = token
            await (await session.get(listening.make_url("/"))).read()
    assert [headers["Authorization"] for _, _, headers, _ in server.requests] == ["bearer first", "bearer second"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({"podUid": "1", "configHash": "ab", "loadedAt": "2026-11-22T12:00:00Z"}, "ab", id="answers"),
        pytest.param({"unexpected": True}, None, id="something-else"),
    ],
)
async def test_a_pod_is_asked_for_its_config(answer: dict[str, Any], expected: str | None) -> None:
    app = web.Application()

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(answer)

    app.router.add_get("/status", tell)
    async with TestServer(app) as listening, aiohttp.ClientSession() as session:
        assert listening.port is not None
        found = await HttpStatusClient(session, listening.port).ask("127.0.0.1")
        nobody = await HttpStatusClient(session, 1).ask("127.0.0.1")
    assert (found.config_hash if found else None) == expected
    assert nobody is None


async def test_lists_reach_the_watched_namespaces_only_and_what_is_in_none_is_listed_as_ever() -> None:
    pages = [web.json_response({"items": [{"metadata": {"name": name}}]}) for name in ("a", "b", "c")]
    server = Server(*pages)
    async with cluster_of(server, namespaces=("shop", "support")) as cluster:
        services = await cluster.list_metadata(SERVICE)
        await cluster.list_objects(HOST_CLAIM)
    assert [item["metadata"]["name"] for item in services] == ["a", "b"]
    assert [path.partition("?")[0] for _, path, _, _ in server.requests] == [
        "/api/v1/namespaces/shop/services",
        "/api/v1/namespaces/support/services",
        "/apis/smarter.sh/v1alpha1/hostclaims",
    ]


@pytest.mark.parametrize(
    ("found", "is_error"),
    [
        pytest.param([{"metadata": {"name": "shop"}}], True, id="no-longer-allowed"),
        pytest.param([{"metadata": {"name": "shop", "deletionTimestamp": "2026-11-28T12:00:00Z"}}], False, id="going"),
        pytest.param([], False, id="gone"),
    ],
)
async def test_a_watched_namespace_that_is_gone_with_its_role_is_empty_and_one_that_is_closed_is_an_error(
    found: list[dict[str, Any]], is_error: bool
) -> None:
    server = Server(status(403, "forbidden"), web.json_response({"items": found}))
    async with cluster_of(server, namespaces=("shop",)) as cluster:
        if is_error:
            with pytest.raises(Rejected):
                await cluster.list_objects(SERVICE)
        else:
            assert await cluster.list_objects(SERVICE) == []


async def test_an_empty_list_of_metadata_comes_as_null_and_is_empty() -> None:
    async with cluster_of(Server(web.json_response({"metadata": {}, "items": None}))) as cluster:
        assert await cluster.list_metadata(SERVICE) == []
