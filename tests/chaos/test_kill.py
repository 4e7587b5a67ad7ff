import asyncio
import random
import signal

from support.api import Api, eventually, until_empty
from support.children import INGRESS_BOT, children
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

NAMES = [f"bot-{number}" for number in range(6)]
SEED = 20261122


async def change_something(api: Api, namespace: str, dice: random.Random) -> None:
    """Do to a random Chatbot, or to a child of it, what users and accidents do."""
    name = dice.choice(NAMES)
    exists = await api.get("Chatbot", namespace, name) is not None
    action = dice.choice(["apply", "apply", "delete", "child", "plugin"])
    if action == "delete" and exists:
        await api.delete("Chatbot", namespace, name)
    elif action == "child" and exists:
        kind = dice.choice(INGRESS_BOT).name
        for child in await api.list_all(kind, namespace, f"smarter.sh/chatbot={name}"):
            await api.delete(kind, namespace, child["metadata"]["name"])
    elif action == "plugin":
        data = {"window": f"{dice.randint(1, 90)} days"}
        await api.apply(plugin(namespace=namespace, static={"data": data}))
    else:
        host = f"{name}-{dice.randint(1, 3)}.{namespace}.example"
        bot = chatbot(name, namespace, plugins=[{"name": "returns"}], exposure=exposed(host))
        await api.apply({**bot, "spec": {**bot["spec"], "systemPrompt": f"Version {dice.randint(1, 9)}."}})


async def wrong(api: Api, namespace: str) -> list[str]:
    """Return what is not as it should be: a bot not Ready, a child too few, too many, or of a predecessor."""
    bots = {bot["metadata"]["name"]: bot["metadata"]["uid"] for bot in await api.list_all("Chatbot", namespace)}
    found = [f"{name} is not ready" for name in bots if not await api.is_ready(namespace, name)]
    made = [(child["kind"], child["metadata"]["ownerReferences"][0]["uid"]) for child in await children(api, namespace)]
    wanted = [(kind.name, uid) for kind in INGRESS_BOT for uid in bots.values()]
    found += [f"{kind} of {uid}: {made.count((kind, uid))}" for kind, uid in wanted if made.count((kind, uid)) != 1]
    found += [f"{kind} of {uid} should not be" for kind, uid in made if (kind, uid) not in wanted]
    return found


async def test_whatever_is_done_and_whenever_the_operator_is_killed_it_converges(
    api: Api, namespace: str, operator: OperatorProcess, rounds: int
) -> None:
    dice = random.Random(SEED)
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace))
    for _ in range(rounds):
        for _ in range(dice.randint(1, 6)):
            await change_something(api, namespace, dice)
        await asyncio.sleep(dice.uniform(0, 1))
        await operator.stop(signal.SIGKILL)
        await change_something(api, namespace, dice)
        await operator.start()

    async def rest() -> list[str]:
        return await wrong(api, namespace)

    ended = asyncio.get_running_loop().time()
    # The garbage collector of a cluster that just learned of Chatbots needs up to a minute.
    await until_empty(rest, 120)
    print(f"\nconverged {asyncio.get_running_loop().time() - ended:.1f} s after the last of {rounds} kills")
    bots = await api.list_all("Chatbot", namespace)
    assert await eventually(lambda: api.list_all("Chatbot", namespace)) == bots, "something still writes"
    assert bots, "with this seed some Chatbots are left"
