"""An operator that is to see some namespaces only, with the account and the Roles that its chart gives it then."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from smarter_cluster.cluster import Cluster
from support.api import Api, eventually
from support.data_plane import DataPlane
from support.helm import helm
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess, service_account_token, with_token
from support.real_api import POD_STATUS_PORT

CHART = Path(__file__).parents[2] / "charts" / "smarter"
SEEN, UNSEEN, GOING = "seen", "unseen", "going"
HOME, ACCOUNT = "narrow-system", "smarter-narrow"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def narrow(
    installed: Cluster,
    api: Api,
    operator: OperatorProcess,
    data_plane: DataPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("narrow")
    # The operator of the other tests sees everything.
    assert await operator.stop() == 0
    for name in (SEEN, UNSEEN):
        await api.namespace(name)
    helm(installed, "install", ACCOUNT, str(CHART), *options(SEEN))
    token = await service_account_token(api, HOME, ACCOUNT)
    process = OperatorProcess(
        with_token(installed.kubeconfig, token, folder / "kubeconfig"),
        folder / "operator.log",
        SMARTER_RUNTIME_IMAGE="runtime:test",
        SMARTER_POD_STATUS_PORT=str(POD_STATUS_PORT),
        SMARTER_WATCH_NAMESPACES=f'["{SEEN}"]',
    )
    await process.start()
    yield process
    assert await process.stop() == 0, process.log.read_text()[-2000:]
    helm(installed, "uninstall", ACCOUNT, "--namespace", HOME)
    await operator.start()
    for name in (SEEN, UNSEEN):
        for bot in await api.list_all("Chatbot", name):
            await api.delete("Chatbot", name, bot["metadata"]["name"])
        await api.delete("Namespace", "", name)


def options(*namespaces: str) -> list[str]:
    watched = ",".join(namespaces)
    return ["--namespace", HOME, "--create-namespace", "--set", f"watchNamespaces={{{watched}}},webhook.enabled=false"]


async def test_an_operator_of_one_namespace_serves_it_and_touches_nothing_elsewhere(
    api: Api, narrow: OperatorProcess, kubectl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for name in (UNSEEN, SEEN):
        bot = chatbot(namespace=name, plugins=[{"name": "returns"}], exposure=exposed(f"support.{name}.example"))
        await api.apply(provider(namespace=name), plugin(namespace=name), bot)
    await eventually(lambda: api.is_ready(SEEN, "support"), 60)
    await api.delete("Service", SEEN, "support")

    async def repaired() -> bool:
        return await api.get("Service", SEEN, "support") is not None

    await eventually(repaired, 10)
    elsewhere = await api.get("Chatbot", UNSEEN, "support")
    assert elsewhere is not None
    assert "status" not in elsewhere
    assert await api.get("Deployment", UNSEEN, "support") is None
    account = f"system:serviceaccount:{HOME}:{ACCOUNT}"
    assert kubectl("auth", "can-i", "list", "pods", "--namespace", UNSEEN, "--as", account).stdout.strip() == "no"
    await asyncio.sleep(1)
    asked = [line for line in (await narrow.metrics()).splitlines() if line.startswith("smarter_api_requests_total")]
    assert not [line for line in asked if 'code="403"' in line]
    assert "forbidden" not in narrow.log.read_text().lower()


async def test_an_operator_starts_although_a_watched_namespace_is_going_and_its_role_is_gone(
    installed: Cluster, api: Api, narrow: OperatorProcess
) -> None:
    """A namespace goes piece by piece, and what has a finalizer keeps it for as long as it likes."""
    holds = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "holds", "namespace": GOING, "finalizers": ["test.example/holds"]},
    }
    await api.namespace(GOING)
    await api.apply(holds)
    helm(installed, "upgrade", ACCOUNT, str(CHART), *options(SEEN, GOING))
    await api.apply(provider(namespace=SEEN), chatbot(namespace=SEEN))
    await api.delete("Namespace", "", GOING)

    async def role_is_gone() -> bool:
        roles = await api.call("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{GOING}/rolebindings")
        return bool(roles["items"] == [])

    await eventually(role_is_gone)
    assert await narrow.stop() == 0
    await narrow.start(SMARTER_WATCH_NAMESPACES=f'["{SEEN}", "{GOING}"]')
    await eventually(lambda: api.is_ready(SEEN, "support"), 60)
    assert await api.get("ConfigMap", GOING, "holds") is not None
    await api.patch("ConfigMap", GOING, "holds", {"metadata": {"finalizers": None}})
    helm(installed, "upgrade", ACCOUNT, str(CHART), *options(SEEN))
