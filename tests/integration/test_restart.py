import asyncio

from support.api import Api, eventually, until_empty
from support.children import children
from support.data_plane import DataPlane
from support.manifests import api_key, chatbot, exposed, plugin, provider
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


async def test_what_was_deleted_while_the_operator_was_down_is_gone_and_it_starts_over_what_is_left(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    going = await api.namespace(f"{namespace}-going")
    for name in (namespace, going):
        key = api_key(namespace=name, digests=[{"sha256": "a" * 64}])
        bots = [chatbot(bot, name, plugins=[{"name": "returns"}], exposure=exposed()) for bot in ("stays", "goes")]
        await api.apply(provider(namespace=name), plugin(namespace=name), key, *bots)
        await eventually(lambda name=name: _both_ready(api, name), 60)  # type: ignore[misc]

    assert await operator.stop() == 0
    await api.delete("Chatbot", namespace, "goes")
    await api.delete("ApiKey", namespace, "backend")
    await api.delete("Namespace", "", going)

    async def left() -> list[str]:
        rest = [
            *await children(api, namespace, "goes"),
            *await api.list_all("Pod", namespace, "smarter.sh/chatbot=goes"),
        ]
        gone = await api.get("Namespace", "", going) is None and await api.get("ApiKey", namespace, "backend") is None
        return [each["metadata"]["name"] for each in rest] + ([] if gone else ["the namespace or the key"])

    began = asyncio.get_running_loop().time()
    await until_empty(left, 90)
    deleted = asyncio.get_running_loop().time() - began
    await operator.start()
    print(f"\ndeleted in {deleted:.1f} s without the operator")

    async def claimed() -> list[str]:
        return [host["metadata"]["name"] for host in await api.list_all("HostClaim") if namespace in str(host["spec"])]

    async def released() -> bool:
        return await claimed() == [f"stays.{namespace}.example"]

    await eventually(released)
    await eventually(lambda: api.is_ready(namespace, "stays"))


async def _both_ready(api: Api, namespace: str) -> bool:
    return all([await api.is_ready(namespace, bot) for bot in ("stays", "goes")])
