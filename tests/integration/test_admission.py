import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api, ApiError, eventually
from support.operator_process import service_account_token, with_token

Manifest = dict[str, Any]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest_asyncio.fixture(loop_scope="session")
async def as_operator(installed: Cluster, api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    """The API as the operator's service account sees it."""
    token = await service_account_token(api, NAMESPACE, "smarter")
    async with Api(str(with_token(installed.kubeconfig, token, tmp_path / "kubeconfig"))) as opened:
        yield opened


def pod(namespace: str, name: str, **labels: str) -> Manifest:
    """Return a pod that the strictest security admits."""
    container = {
        "name": "main",
        "image": "none:1",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": {"mine": "kept"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def annotated(**annotations: str | None) -> Manifest:
    return {"metadata": {"annotations": annotations}}


NUDGE: Manifest = {"metadata": {"annotations": {"smarter.sh/config": "1"}}}


@pytest.mark.parametrize(
    ("name", "patch", "said"),
    [
        pytest.param("strangers", NUDGE, "only pods of chatbots", id="a-pod-of-somebody-else"),
        pytest.param("bots", annotated(other="x"), "no annotation but", id="another-annotation"),
        pytest.param("bots", annotated(mine=None), "no annotation but", id="removing-an-annotation"),
        pytest.param("bots", annotated(mine="changed"), "no annotation but", id="changing-an-annotation"),
        pytest.param("bots", {"status": {"phase": "Failed"}}, "nothing of a pod but", id="the-status-itself"),
        pytest.param(
            "bots", {"metadata": {"labels": {"smarter.sh/chatbot": "other"}}}, "nothing of a pod", id="a-label"
        ),
    ],
)
async def test_the_operator_may_only_nudge_the_pods_of_chatbots(
    api: Api, as_operator: Api, namespace: str, name: str, patch: Manifest, said: str
) -> None:
    await api.apply(pod(namespace, "strangers"), pod(namespace, "bots", **{"smarter.sh/chatbot": "gone"}))

    async def refused() -> str:
        # The API server learns of a policy a moment after it is installed.
        try:
            await as_operator.patch("Pod", namespace, name, patch, "status")
        except ApiError as error:
            return str(error)
        return ""

    assert said in await eventually(refused, 20)
    await as_operator.patch("Pod", namespace, "bots", NUDGE, "status")
    found = await api.get("Pod", namespace, "bots")
    assert found is not None
    assert found["metadata"]["annotations"] == {"mine": "kept", "smarter.sh/config": "1"}


def secret(namespace: str, name: str, type: str = "Opaque", owner: str = "smarter.sh/v1alpha1") -> Manifest:  # noqa: A002 - as in the API
    """Return a Secret as the operator makes it, but for what a test changes."""
    labels = {"app.kubernetes.io/managed-by": "smarter-operator"}
    owners = [{"apiVersion": owner, "kind": "ApiKey", "name": "gone", "uid": "00000000-0000-4000-8000-000000000001"}]
    metadata = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type}


def without(manifest: Manifest, member: str) -> Manifest:
    return {**manifest, "metadata": {key: value for key, value in manifest["metadata"].items() if key != member}}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        pytest.param(without(secret("{}", "a"), "labels"), "only Secrets with the label", id="without-our-label"),
        pytest.param(without(secret("{}", "a"), "ownerReferences"), "that belong to a resource", id="without-owner"),
        pytest.param(secret("{}", "a", owner="v1"), "that belong to a resource", id="of-another-owner"),
        pytest.param(
            secret("{}", "a", type="acme.example/else"), "of type Opaque", id="of-a-type-that-means-something"
        ),
    ],
)
async def test_the_operator_may_only_make_secrets_that_are_seen_to_be_its_own(
    as_operator: Api, namespace: str, manifest: Manifest, said: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    body = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}

    async def refused() -> str:
        # The API server learns of a policy a moment after it is installed.
        try:
            await as_operator.call("POST", path, query={"dryRun": "All"}, body=body)
        except ApiError as error:
            return str(error)
        return ""

    assert said in await eventually(refused, 20)


async def test_the_operator_may_delete_its_own_secrets_and_no_other(api: Api, as_operator: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    # Without an owner, lest the garbage collector, which finds no such ApiKey, comes first.
    await api.apply(without(without(secret(namespace, "theirs"), "labels"), "ownerReferences"))
    await as_operator.call("POST", path, query={"dryRun": "All"}, body=secret(namespace, "ours"))

    async def refused() -> str:
        try:
            await as_operator.call("DELETE", f"{path}/theirs", query={"dryRun": "All"})
        except ApiError as error:
            return str(error)
        return ""

    assert "only Secrets with the label" in await eventually(refused, 20)
    labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "smarter-operator"}}}
    await api.patch("Secret", namespace, "theirs", labels)
    await as_operator.call("DELETE", f"{path}/theirs")
    assert await api.get("Secret", namespace, "theirs") is None


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        pytest.param("GET", "/api/v1/namespaces/{namespace}/secrets", id="list-secrets"),
        pytest.param("GET", "/api/v1/namespaces/{namespace}/secrets/any", id="read-a-secret"),
        pytest.param("PATCH", "/api/v1/namespaces/{namespace}/pods/any", id="patch-a-pod"),
        pytest.param("DELETE", "/api/v1/namespaces/{namespace}/pods/any", id="delete-a-pod"),
        pytest.param("DELETE", "/apis/smarter.sh/v1alpha1/namespaces/{namespace}/chatbots/any", id="delete-a-chatbot"),
        pytest.param("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", id="grant-itself-more"),
    ],
)
async def test_the_operator_is_denied_what_it_does_not_need(
    as_operator: Api, namespace: str, verb: str, path: str
) -> None:
    kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
    with pytest.raises(ApiError, match=r"403.*forbidden"):
        await as_operator.call(verb, path.format(namespace=namespace), body={}, content_type=kind)


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        pytest.param("author", "create", "plugins.smarter.sh", True, id="author-writes-plugins"),
        pytest.param("author", "update", "chatbots.smarter.sh --subresource=scale", True, id="author-scales"),
        pytest.param("author", "get", "providers.smarter.sh", True, id="author-reads-providers"),
        pytest.param("author", "create", "providers.smarter.sh", False, id="author-writes-no-provider"),
        pytest.param("author", "get", "secrets", False, id="author-reads-no-secret"),
        pytest.param("owner", "create", "providers.smarter.sh", True, id="owner-writes-providers"),
        pytest.param("owner", "patch", "chatbots.smarter.sh --subresource=status", False, id="nobody-writes-status"),
        pytest.param("owner", "get", "secrets", False, id="owner-reads-no-secret"),
    ],
)
async def test_authors_cannot_say_where_secrets_are_sent_and_owners_can(
    api: Api, namespace: str, kubectl: Kubectl, role: str, verb: str, resource: str, allowed: bool
) -> None:
    binding = {"metadata": {"name": "who", "namespace": namespace}, "subjects": [{"kind": "User", "name": "who"}]}
    binding |= {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"smarter-{role}"}}
    group = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    await api.call("POST", group, body=binding)

    async def answered() -> bool:
        # The authorizer learns of a binding a moment after it is made.
        return (
            "yes" in kubectl("auth", "can-i", verb, *resource.split(), "--as=who", "-n", namespace).stdout
        ) == allowed

    await eventually(answered, 10)
