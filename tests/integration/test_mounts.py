"""Secrets and the config that uses them, with real rollouts of a real Deployment controller."""

from typing import Any

from smarter_crds.runtime_config import CONFIG_KEY
from smarter_operator.resources.config_map import unpacked
from smarter_operator.resources.secret_volume import mounts_of
from support.api import Api, Manifest, eventually, until_empty
from support.data_plane import DataPlane
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess

INSIDE: dict[str, Any] = {"exposure": {"type": "None"}}


def openai(namespace: str, secret: str) -> Manifest:
    key: Any = {"name": secret, "key": "key"}
    return provider(namespace=namespace, type="OpenAI", defaultModel="gpt", apiKeySecret=key)


async def mounted(api: Api, namespace: str) -> set[str]:
    """Return the Secrets that new pods mount, without that of the session key."""
    found = await api.get("Deployment", namespace, "support")
    names = {mount.secret_name for mount in mounts_of(found["spec"]["template"]["spec"])} if found else set()
    return {name for name in names if "-session-" not in name}


async def config_names(api: Api, namespace: str, path: str) -> bool:
    found = await api.get("ConfigMap", namespace, "support-config")
    return found is not None and f'"{path}"'.encode() in unpacked(found, CONFIG_KEY)


async def only(api: Api, namespace: str, secret: str) -> bool:
    return await mounted(api, namespace) == {secret} and await api.is_ready(namespace, "support")


async def test_no_pod_ever_gets_a_config_for_which_it_lacks_the_secret(
    api: Api, namespace: str, data_plane: DataPlane, operator: OperatorProcess
) -> None:
    await api.apply(openai(namespace, "first"), chatbot(namespace=namespace, **INSIDE))
    await eventually(lambda: only(api, namespace, "first"))
    seen = {uid: fake for uid, fake in data_plane.pods.items() if fake.namespace == namespace}

    async def watched(secret: str) -> bool:
        seen.update({uid: fake for uid, fake in data_plane.pods.items() if fake.namespace == namespace})
        return await only(api, namespace, secret)

    await api.apply(openai(namespace, "second"))
    await eventually(lambda: watched("second"), 60)
    # The operator may end at any moment of it.
    await api.apply(openai(namespace, "third"))
    await operator.stop()
    await operator.start()
    await eventually(lambda: watched("third"), 60)
    assert len(seen) >= 5, "one pod with the first, two rollouts each for the second and the third"
    assert [fake.lacked for fake in seen.values() if fake.lacked] == []

    async def others() -> list[str]:
        """Name what pods have mounted and the config does not name, as those do that are on their way out."""
        fakes = [fake for fake in data_plane.pods.values() if fake.namespace == namespace]
        paths = {path for fake in fakes for path in fake.mounted} - {"session-key"}
        assert paths
        return [path for path in sorted(paths) if not await config_names(api, namespace, path)]

    await until_empty(others, 60)


async def test_a_config_waits_for_a_rollout_that_does_not_come_and_the_bot_serves_on(
    api: Api, namespace: str, data_plane: DataPlane
) -> None:
    await api.apply(openai(namespace, "first"), chatbot(namespace=namespace, **INSIDE))
    await eventually(lambda: only(api, namespace, "first"))
    before = await api.get("ConfigMap", namespace, "support-config")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"pods": "1"}},
    }
    await api.apply(quota)

    async def counted() -> bool:
        found = await api.get("ResourceQuota", namespace, "none")
        return bool(found and found.get("status", {}).get("used", {}).get("pods") == "1")

    await eventually(counted)
    await api.apply(openai(namespace, "second"))

    async def waits() -> bool:
        return (await api.condition(namespace, "support", "ConfigLive"))[:2] == ("False", "MountingSecrets")

    await eventually(waits)
    after = await api.get("ConfigMap", namespace, "support-config")
    assert before is not None
    assert after is not None
    assert after["data"] == before["data"]
    await api.delete("ResourceQuota", namespace, "none")
    await eventually(lambda: only(api, namespace, "second"), 120)
