"""The session key on a real API server, where the operator may create Secrets and read none."""

import base64

from support.api import Api, ApiError, Manifest, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess


async def key_of(api: Api, namespace: str) -> Manifest | None:
    """Return the Secret that the bot's status names; None while there is none."""
    bot = await api.get("Chatbot", namespace, "support")
    name = (bot or {}).get("status", {}).get("sessionSecret", "")
    return await api.get("Secret", namespace, name) if name else None


async def test_a_bot_gets_a_key_that_survives_a_restart_and_is_made_anew_when_it_is_deleted(
    api: Api, namespace: str, data_plane: DataPlane, operator: OperatorProcess
) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure={"type": "None"}))
    await eventually(lambda: api.is_ready(namespace, "support"))
    first = await key_of(api, namespace)
    assert first is not None
    assert len(base64.b64decode(first["data"]["session-key"])) == 32
    [pod] = [fake for fake in data_plane.pods.values() if fake.namespace == namespace]
    assert (pod.session_secret, pod.problems) == (first["metadata"]["name"], [])

    await operator.stop()
    await operator.start()
    await api.apply(chatbot(namespace=namespace, exposure={"type": "None"}, systemPrompt="You are brief."))
    await eventually(lambda: api.is_ready(namespace, "support"))
    again = await key_of(api, namespace)
    assert again is not None
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    await api.delete("Secret", namespace, first["metadata"]["name"])
    await data_plane.sync(namespace)

    async def made_anew() -> bool:
        found = await key_of(api, namespace)
        is_new = found is not None and found["data"] != first["data"]
        return is_new and pod.problems == [] and await api.is_ready(namespace, "support")

    # Pods are asked once a minute while all is well.
    await eventually(made_anew, 120)


async def test_a_quota_on_secrets_is_told_and_takes_no_pod_away(api: Api, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"count/secrets": "0"}},
    }
    await api.apply(quota)

    async def enforced() -> bool:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "namespace": namespace}}
        try:
            await api.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body=secret, query={"dryRun": "All"})
        except ApiError as error:
            return error.code == 403
        return False

    await eventually(enforced)
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure={"type": "None"}))

    async def told() -> bool:
        status = (await api.get("Chatbot", namespace, "support") or {}).get("status", {})
        return any(c["reason"] == "SecretRefused" and "quota" in c["message"] for c in status.get("conditions", []))

    await eventually(told)
    assert await api.get("Deployment", namespace, "support")
    await api.delete("ResourceQuota", namespace, "none")
    await eventually(lambda: api.is_ready(namespace, "support"), 60)
