import asyncio

from support.api import Api, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

BOTS = 50


async def settled(api: Api, quiet_seconds: float = 3) -> dict[tuple[str, str, str], float]:
    """Wait until nobody writes any more. Returns the counts of mutating requests."""
    before = await api.mutating_requests()
    for _ in range(40):
        await asyncio.sleep(quiet_seconds)
        after = await api.mutating_requests()
        if after == before:
            return after
        before = after
    raise AssertionError("the cluster does not come to rest")


async def test_a_restart_over_fifty_converged_chatbots_writes_nothing(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace))
    names = [f"bot-{number}" for number in range(BOTS)]
    for name in names:
        bot = chatbot(name, namespace, plugins=[{"name": "returns"}], exposure=exposed())
        await api.apply(bot)

    async def all_ready() -> bool:
        return all([await api.is_ready(namespace, name) for name in names])

    async def all_counted() -> bool:
        # A count that is only corrected may wait for longer than it is quiet here.
        found = [await api.get("Plugin", namespace, "returns"), await api.get("Provider", namespace, "demo")]
        return all(used is not None and used["status"]["usedBy"] == BOTS for used in found)

    await eventually(all_ready, 120, every_seconds=1)
    await eventually(all_counted)
    before = await settled(api)
    versions = {bot["metadata"]["resourceVersion"] for bot in await api.list_all("Chatbot", namespace)}

    assert await operator.stop() == 0
    await operator.start()
    after = await settled(api)
    assert after == before
    assert {bot["metadata"]["resourceVersion"] for bot in await api.list_all("Chatbot", namespace)} == versions
    assert await all_ready()

    assert await operator.stop() == 0
    await api.patch("Service", namespace, "bot-7", {"spec": {"selector": {"drifted": "yes"}}})
    drifted = await api.mutating_requests()
    await operator.start()
    repaired = await settled(api)
    assert sum(repaired.values()) - sum(drifted.values()) >= 1
    assert ("APPLY", "services", "") in {key for key in repaired if repaired[key] != drifted.get(key)}
