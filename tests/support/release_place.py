"""A cluster in which a release is installed by its charts, for tests that change or remove releases."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api, Manifest, until_empty
from support.data_plane import DataPlane
from support.helm import helm
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess, free_port, service_account_token, with_token
from support.real_api import ROOT
from support.webhook_place import WebhookPlace

RELEASE = "smarter"
SHOP = "shop"
BOTS: dict[str, Manifest] = {
    "plain": {},
    "exposed": {"plugins": [{"name": "returns"}], "exposure": exposed()},
    "secret": {"model": {"providerRef": {"name": "paid"}}, "resources": {"limits": {"memory": "128Mi"}}},
}
"""By name, what differs from the smallest Chatbot; with fields that the release before knows, too."""


@dataclass(frozen=True)
class Place:
    """A cluster, and how the operator of a release is run in it."""

    cluster: Cluster
    api: Api
    data_plane: DataPlane
    folder: Path
    webhook: WebhookPlace
    port: int
    """At which the stand-ins for pods answer."""
    code: tuple[Path, ...] = ()
    """Where the operator and the resource types lie; nothing: where they always do."""
    charts: Path = ROOT / "charts"

    def install(self) -> None:
        """Install or upgrade as the documentation says, but for an operator that runs outside the cluster."""
        for chart in ("smarter-crds", RELEASE):
            options = [] if chart == "smarter-crds" or self.code else self._webhook()
            arguments = ["upgrade", "--install", chart, str(self.charts / chart), "--namespace", NAMESPACE]
            # Without it Helm would hand the values of the newer chart to the older one.
            helm(self.cluster, *arguments, "--create-namespace", "--reset-values", *options)

    def _webhook(self) -> list[str]:
        values = {
            "webhook.certificate": "Secret",
            "webhook.secretName": "unused",
            "webhook.caBundle": self.webhook.ca_bundle,
            "webhook.url": self.webhook.url,
        }
        return [option for key, value in values.items() for option in ("--set-string", f"{key}={value}")]

    async def operator(self) -> OperatorProcess:
        """Start the release's operator with the account that its chart gives it."""
        token = await service_account_token(self.api, NAMESPACE, RELEASE)
        process = OperatorProcess(
            with_token(self.cluster.kubeconfig, token, self.folder / "kubeconfig"),
            self.folder / "operator.log",
            SMARTER_RUNTIME_IMAGE="runtime:test",
            SMARTER_POD_STATUS_PORT=str(self.port),
            SMARTER_NAMESPACE=NAMESPACE,
            SMARTER_PROBE_SECONDS="0",
            **({"PYTHONPATH": ":".join(map(str, self.code))} if self.code else self.webhook.settings),
        )
        await process.start()
        return process

    async def settled(self) -> None:
        """Wait until all bots are Ready, and no pod of an old template is left."""

        async def left() -> list[str]:
            found = [name for name in BOTS if not await self.api.is_ready(SHOP, name)]
            pods = await self.api.list_all("Pod", SHOP)
            return found + (["old pods"] if len(pods) != len(BOTS) else [])

        await until_empty(left, 90)

    async def templates(self) -> dict[str, Manifest]:
        found = await self.api.list_all("Deployment", SHOP)
        return {each["metadata"]["name"]: each["spec"]["template"] for each in found}

    async def pods(self) -> set[str]:
        return {pod["metadata"]["uid"] for pod in await self.api.list_all("Pod", SHOP)}


@pytest.fixture(scope="session")
def release_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    name = request.config.getoption("--cluster-name", default="") or "smarter-test"
    made = Cluster(f"{name}-rel", "api")
    made.up()
    yield made
    made.down()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(release_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder, port = tmp_path_factory.mktemp("release"), free_port()
    webhook = WebhookPlace.make(tmp_path_factory.mktemp("release-webhook"))
    async with Api(str(release_cluster.kubeconfig)) as api, DataPlane(api, port) as data_plane:
        yield Place(release_cluster, api, data_plane, folder, webhook, port)


async def make_bots(api: Api) -> None:
    await api.namespace(SHOP)
    key = {"apiKeySecret": {"name": "key", "key": "token"}}
    paid = provider("paid", SHOP, type="OpenAI", defaultModel="gpt", **key)
    await api.apply(provider(namespace=SHOP), paid, plugin(namespace=SHOP))
    await api.apply(*(chatbot(name, SHOP, **spec) for name, spec in BOTS.items()))
