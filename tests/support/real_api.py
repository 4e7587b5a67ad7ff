"""Fixtures: a real API server with controllers, the operator as its chart lets it, and a stand-in for the nodes."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from smarter_cluster.charts import NAMESPACE, install
from smarter_cluster.cluster import Cluster
from smarter_crds.compile import Allowed
from support.api import Api
from support.data_plane import DataPlane
from support.operator_process import OperatorProcess, free_port, service_account_token, with_token
from support.webhook_place import WebhookPlace

ROOT = Path(__file__).parents[2]
POD_STATUS_PORT = free_port()
ALLOWED = Allowed(
    pod_annotations=("sidecar.example/*",),
    service_account_annotations=("cloud.example/role",),
    route_annotations=("web.example/waf",),
    env=("TZ",),
    runtime_images=("registry.example/*",),
)
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:smarter"
"""What the operator is to the API server."""


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    made = Cluster(request.config.getoption("--cluster-name", default="") or "smarter-test", "api", audited=ACCOUNT)
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with CRDs, RBAC and the rest of the charts; nothing runs the operator's pod here."""
    install(cluster, ROOT, {"operator": "operator:test", "runtime": "runtime:test"}, wait=False)
    return cluster


@pytest.fixture(scope="session")
def kubectl(installed: Cluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs kubectl as administrator; the result is not checked."""

    def run(*arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002 - as in subprocess
        command = [str(installed.bin / "kubectl"), "--kubeconfig", str(installed.kubeconfig), *arguments]
        return subprocess.run(command, input=input, capture_output=True, text=True, check=False)

    return run


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(installed: Cluster) -> AsyncIterator[Api]:
    async with Api(str(installed.kubeconfig)) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def data_plane(api: Api) -> AsyncIterator[DataPlane]:
    async with DataPlane(api, POD_STATUS_PORT) as running:
        yield running


@pytest.fixture(scope="session")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> WebhookPlace:
    """Where the operator serves its webhooks; the API server does not know of it unless a test says so."""
    return WebhookPlace.make(tmp_path_factory.mktemp("webhook"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator_kubeconfig(installed: Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with which one is the operator to the API server."""
    token = await service_account_token(api, NAMESPACE, "smarter")
    return with_token(installed.kubeconfig, token, tmp_path_factory.mktemp("account") / "kubeconfig")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(
    operator_kubeconfig: Path, data_plane: DataPlane, webhook: WebhookPlace, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OperatorProcess]:
    """The running operator; it may do what its service account may, and no more."""
    folder = tmp_path_factory.mktemp("operator")
    process = OperatorProcess(
        operator_kubeconfig,
        folder / "operator.log",
        SMARTER_RUNTIME_IMAGE="runtime:test",
        SMARTER_POD_STATUS_PORT=str(POD_STATUS_PORT),
        SMARTER_NAMESPACE=NAMESPACE,
        **webhook.settings,
        # So that a test may use the hosts of the one before.
        SMARTER_HOST_RELEASE_SECONDS="0",
        # The hosts of tests are nowhere to be found, and a verdict is a write at a time of its own.
        SMARTER_PROBE_SECONDS="0",
        SMARTER_PLATFORM__ISSUER_REF__NAME="demo-ca",
        SMARTER_PLATFORM__ISSUER_REF__KIND="ClusterIssuer",
        SMARTER_PLATFORM__ALLOWED=ALLOWED.model_dump_json(by_alias=True),
    )
    await process.start()
    yield process
    assert await process.stop() == 0, process.log.read_text()[-2000:]


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(api: Api, operator: OperatorProcess) -> AsyncIterator[str]:
    """A namespace of its own, with the operator watching."""
    name = await api.namespace(f"test-{uuid4().hex[:8]}")
    yield name
    # The Chatbots first: while a namespace goes, the operator would try to bring their children back.
    for bot in await api.list_all("Chatbot", name):
        await api.delete("Chatbot", name, bot["metadata"]["name"])
    await api.delete("Namespace", "", name)
