import pytest

from smarter_cluster.cluster import Cluster
from smarter_operator.kinds import PLUGIN, SERVICE, Kind
from smarter_operator.kubernetes_cluster import KubernetesCluster, load_configuration, new_session
from support.api import Api, Manifest, eventually
from support.manifests import chatbot, plugin, provider


def versions(listed: list[Manifest]) -> set[tuple[str, str, str]]:
    keys = ("name", "uid", "resourceVersion")
    return {(item["metadata"][keys[0]], item["metadata"][keys[1]], item["metadata"][keys[2]]) for item in listed}


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(PLUGIN, "returns", id="our-own-kind"), pytest.param(SERVICE, "support", id="a-child")],
)
async def test_metadata_and_single_objects_are_listed_as_in_the_whole_list(
    installed: Cluster, api: Api, namespace: str, kind: Kind, name: str
) -> None:
    bot = chatbot(namespace=namespace, plugins=[{"name": "returns"}])
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace), bot)
    await eventually(lambda: api.is_ready(namespace, "support"))
    configuration = await load_configuration(str(installed.kubeconfig))
    async with new_session(configuration, 4) as session:
        cluster = KubernetesCluster(str(configuration.host), session, 30)
        metadata, whole = await cluster.list_metadata(kind), await cluster.list_objects(kind)
        [one] = await cluster.list_objects(kind, namespace, name)
    assert versions(metadata) == versions(whole)
    assert not [item for item in metadata if "spec" in item]
    assert one in whole
    assert one["metadata"]["namespace"] == namespace
