"""What changes the pods of many bots of a real API server reaches them a few at a time."""

import signal
from collections.abc import Callable

from smarter_operator.kinds import DEPLOYMENT
from smarter_operator.resources.secret_volume import mounts_of
from smarter_operator.rollouts import is_rolling_out
from support.api import Api, Manifest, eventually
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess

BOTS = tuple(f"bot-{number}" for number in range(4))
AT_MOST = 2


def image(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def secrets_of(deployment: Manifest) -> set[str]:
    return {mount.secret_name for mount in mounts_of(deployment["spec"]["template"]["spec"])}


def most_at_once(before: list[Manifest], versions: list[Manifest]) -> int:
    """Return how many Deployments were rolling out at the worst moment."""
    newest = {deployment["metadata"]["name"]: deployment for deployment in before}
    worst = 0
    for version in versions:
        newest[version["metadata"]["name"]] = version
        worst = max(worst, sum(map(is_rolling_out, newest.values())))
    return worst


async def all_made(api: Api, namespace: str) -> None:
    await api.apply(provider(namespace=namespace))
    for name in BOTS:
        await api.apply(chatbot(name, namespace, exposure={"type": "None"}))
    await all_ready(api, namespace)


async def all_ready(api: Api, namespace: str) -> None:
    async def ready() -> bool:
        return all([await api.is_ready(namespace, name) for name in BOTS])

    await eventually(ready)


async def rolled_out(api: Api, namespace: str, renewed: Callable[[Manifest], bool]) -> None:
    """Wait until all bots are `renewed`, which is told by their Deployments, and nothing is under way."""

    async def done() -> bool:
        found = await api.list_all("Deployment", namespace)
        return all(renewed(one) and not is_rolling_out(one) for one in found)

    await eventually(done, 60)


async def test_a_new_image_reaches_all_bots_two_at_a_time(api: Api, namespace: str, operator: OperatorProcess) -> None:
    await all_made(api, namespace)
    # Killed, for what waits and what rolls out must be known to the next one all the same.
    await operator.stop(signal.SIGKILL)
    before = await api.call("GET", DEPLOYMENT.path(namespace))
    try:
        await operator.start(SMARTER_RUNTIME_IMAGE="runtime:next", SMARTER_MAX_ROLLOUTS=str(AT_MOST))
        await rolled_out(api, namespace, lambda deployment: image(deployment) == "runtime:next")
        versions = await api.versions("Deployment", namespace, before)
        assert most_at_once(before["items"], versions) == AT_MOST
        await all_ready(api, namespace)
    finally:
        await operator.stop(signal.SIGKILL)
        await operator.start()


async def test_another_secret_of_a_provider_reaches_its_bots_two_at_a_time(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await all_made(api, namespace)
    await operator.stop()
    try:
        await operator.start(SMARTER_MAX_ROLLOUTS=str(AT_MOST))
        before = await api.call("GET", DEPLOYMENT.path(namespace))
        key = {"name": "openai", "key": "api-key"}
        await api.apply(provider(namespace=namespace, type="OpenAI", apiKeySecret=key))
        await rolled_out(api, namespace, lambda deployment: "openai" in secrets_of(deployment))
        versions = await api.versions("Deployment", namespace, before)
        assert most_at_once(before["items"], versions) == AT_MOST
        # Their config waited for the Secret.
        await all_ready(api, namespace)
    finally:
        await operator.stop()
        await operator.start()
