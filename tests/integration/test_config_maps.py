"""ConfigMaps that people write for chatbots, on a real API server and watched by its label selector."""

from typing import Any

from smarter_crds.runtime_config import CONFIG_KEY, RuntimeConfig
from smarter_operator.resources.config_map import unpacked
from support.api import Api, Manifest, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, plugin, provider
from support.operator_process import OperatorProcess

INSIDE: dict[str, Any] = {"exposure": {"type": "None"}}


def config_map(namespace: str, name: str, *, label: str = "true", **data: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": {"smarter.sh/watch": label}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def reader(namespace: str) -> Manifest:
    named = {"configMapKeyRef": {"name": "texts", "key": "prompt"}}
    made = chatbot(namespace=namespace, systemPromptFrom=named, plugins=[{"name": "returns"}], **INSIDE)
    del made["spec"]["systemPrompt"]
    return made


async def served(api: Api, namespace: str, bot: str = "support") -> RuntimeConfig | None:
    found = await api.get("ConfigMap", namespace, f"{bot}-config")
    return RuntimeConfig.model_validate_json(unpacked(found, CONFIG_KEY)) if found else None


async def test_an_edit_of_a_config_map_is_live_in_the_bots_that_read_it(
    api: Api, namespace: str, data_plane: DataPlane, operator: OperatorProcess
) -> None:
    kept = plugin(namespace=namespace, static={"dataFrom": {"configMapKeyRef": {"name": "facts", "key": "data"}}})
    await api.apply(provider(namespace=namespace), kept, reader(namespace))
    await api.apply(chatbot("other", namespace, **INSIDE))

    async def reason() -> bool:
        accepted = (await api.condition(namespace, "support", "Accepted"))[:2]
        ready = (await api.get("Plugin", namespace, "returns") or {}).get("status", {}).get("conditions", [])
        reasons = {condition["reason"] for condition in ready if condition["status"] == "False"}
        return accepted == ("False", "ConfigMapNotFound") and reasons == {"ConfigMapNotFound"}

    await eventually(reason)
    await api.apply(config_map(namespace, "texts", prompt="You are brief."))
    await api.apply(config_map(namespace, "facts", data="window: 30 days\n# of returns"))
    await eventually(lambda: api.is_ready(namespace, "support"))
    await eventually(lambda: api.is_ready(namespace, "other"))
    before = await api.get("ConfigMap", namespace, "other-config")

    await api.apply(config_map(namespace, "texts", prompt="You are kind."))
    await api.apply(config_map(namespace, "facts", data='{"window": "77 days"}'))

    async def live() -> bool:
        found = await served(api, namespace)
        assert found is not None
        data = [each.static.data for each in found.plugins if each.static]
        return (found.system_prompt, data) == ("You are kind.", [{"window": "77 days"}])

    await eventually(live, 10)
    await eventually(lambda: api.is_ready(namespace, "support"))
    after = await api.get("ConfigMap", namespace, "other-config")
    assert before == after

    # Whoever takes away the label takes away the text; the bot keeps what it had, also over a restart.
    await api.apply(config_map(namespace, "texts", label="false", prompt="You are hidden."))
    await operator.stop()
    await operator.start()

    async def hidden() -> bool:
        return (await api.condition(namespace, "support", "Accepted"))[:2] == ("False", "ConfigMapNotFound")

    await eventually(hidden)
    assert await live()


async def test_a_child_that_lost_the_label_by_which_it_is_watched_gets_it_back(
    api: Api, namespace: str, data_plane: DataPlane
) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, **INSIDE))
    await eventually(lambda: api.is_ready(namespace, "support"))
    unlabelled = {"metadata": {"labels": {"smarter.sh/watch": None}}}
    await api.patch("ConfigMap", namespace, "support-config", unlabelled)

    async def back() -> bool:
        found = await api.get("ConfigMap", namespace, "support-config")
        return found is not None and found["metadata"]["labels"].get("smarter.sh/watch") == "true"

    await eventually(back, 10)
