"""How many calls of a real API server a Chatbot costs, and how far the edit of a Plugin reaches."""

import asyncio
from collections.abc import Awaitable, Callable

from smarter_operator.kinds import CHILDREN, CONFIG_MAP
from support.api import Api, Manifest, eventually
from support.children import INGRESS_BOT, children
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_metrics import Calls, calls, reconciles, since, writes
from support.operator_process import OperatorProcess

CREATED = len(INGRESS_BOT) + 2
"""The children, among which count the Secret with the session key and the claim of the host."""

HELD_SECONDS = 4
"""So long a status may be held back that the next one makes superfluous."""

USERS, OTHERS = 20, 5


async def cost(operator: OperatorProcess, api: Api, namespace: str, do: Callable[[], Awaitable[object]]) -> Calls:
    """Return what the operator asks of the API server because of what `do` does, until all is settled."""
    before = await calls(operator)
    await do()

    async def settled() -> bool:
        bots = await api.list_all("Chatbot", namespace)
        if not bots:
            # The garbage collector takes its time, and only then is the host given up.
            return not await children(api, namespace)
        return all([await api.is_ready(namespace, bot["metadata"]["name"]) for bot in bots])

    await eventually(settled)
    await eventually(lambda: nothing_is_left_to_do(operator))
    return since(before, await calls(operator))


async def times_told_of_a_pod_that_is_behind(api: Api, namespace: str, made: Manifest) -> int:
    """Count the statuses since then by which a config was not live yet: no more than one for each edit."""
    versions = await api.versions("Chatbot", namespace, made)
    reasons = [c["reason"] for bot in versions for c in bot.get("status", {}).get("conditions", [])]
    return min(reasons.count("OldConfig"), 1)


async def test_creating_editing_and_deleting_a_chatbot_cost_the_calls_that_are_promised_and_no_more(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace))
    await eventually(lambda: nothing_is_left_to_do(operator))
    spec: Manifest = {"plugins": [{"name": "returns"}], "exposure": exposed()}
    edited = chatbot(namespace=namespace, systemPrompt="New.", **spec)
    relabelled = {**edited, "metadata": {**edited["metadata"], "labels": {"team": "a"}}}
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: api.apply(chatbot(namespace=namespace, **spec)),
        "update": lambda: api.apply(edited),
        "no-op": lambda: api.apply(relabelled),
        "delete": lambda: api.delete("Chatbot", namespace, "support"),
    }
    [made] = await api.apply(plugin("since", namespace))
    found = {name: await cost(operator, api, namespace, do) for name, do in steps.items()}
    print("\n" + "\n".join(f"{name}: {writes(asked)} writes: {asked}" for name, asked in found.items()))
    assert writes(found["create"]) <= CREATED + 2
    reads = {kind: count for (verb, kind), count in found["create"].items() if verb == "GET"}
    assert sum(reads.values()) <= len(CHILDREN)
    # The config, the pod's nudge and one status; one more only where it was told meanwhile that the pod is behind.
    assert writes(found["update"]) <= 1 + 1 + 1 + await times_told_of_a_pod_that_is_behind(api, namespace, made)
    assert writes(found["no-op"]) == 0
    # The claim of its host; the rest is done by the garbage collector.
    assert {kind for (verb, kind) in found["delete"] if verb != "GET"} == {"HostClaim"}
    assert writes(found["delete"]) <= 3


async def nothing_is_left_to_do(operator: OperatorProcess) -> bool:
    """Tell whether the operator is done with what other tests have left."""
    before = await calls(operator)
    await asyncio.sleep(HELD_SECONDS)
    return writes(since(before, await calls(operator))) == 0


async def test_an_edited_plugin_reaches_its_users_alone_and_a_new_chatbot_is_applied_within_five_seconds(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace), plugin("other", namespace))
    users, others = [f"user-{number}" for number in range(USERS)], [f"other-{number}" for number in range(OTHERS)]
    for names, used in ((users, "returns"), (others, "other")):
        # Without pods, for one more look is due when those take long to answer.
        spec = {"plugins": [{"name": used}], "scaling": {"type": "Fixed", "replicas": 0}}
        await api.apply(*(chatbot(name, namespace, **spec) for name in names))

    async def all_made() -> bool:
        return len(await configs(api, namespace)) == USERS + OTHERS

    await eventually(all_made, 60)
    await eventually(lambda: nothing_is_left_to_do(operator), 60)
    before, runs = await configs(api, namespace), await reconciles(operator)
    await api.apply(plugin(namespace=namespace, static={"data": {"window": "60 days"}}))
    await eventually(lambda: _all_changed(api, namespace, before, users))
    await asyncio.sleep(HELD_SECONDS)
    runs = await reconciles(operator) - runs
    after = await configs(api, namespace)
    assert {name for name in after if after[name] != before[name]} == set(users)
    # Twice at most; the metric counts for all namespaces, and what other tests have left may come round once more.
    assert USERS <= runs <= 2 * USERS + 2

    began = asyncio.get_running_loop().time()
    await api.apply(plugin(namespace=namespace, static={"data": {"window": "90 days"}}))
    await api.apply(chatbot("newcomer", namespace, plugins=[{"name": "other"}]))
    await eventually(lambda: api.get("Deployment", namespace, "newcomer"), 5)
    applied = asyncio.get_running_loop().time() - began
    await eventually(lambda: _all_changed(api, namespace, after, users))
    print(f"\n{runs / USERS:.2f} reconciles for each of {USERS} users, a newcomer applied after {applied:.2f} s")


async def configs(api: Api, namespace: str) -> dict[str, str]:
    """Return the version of each bot's config."""
    found = await api.list_all(CONFIG_MAP.name, namespace, "smarter.sh/chatbot")
    return {each["metadata"]["labels"]["smarter.sh/chatbot"]: each["metadata"]["resourceVersion"] for each in found}


async def _all_changed(api: Api, namespace: str, before: dict[str, str], names: list[str]) -> bool:
    now = await configs(api, namespace)
    return all(now[name] != before[name] for name in names)
