"""A new image of the runtime reaches all bots of a real API server, a few at a time."""

import signal

from smarter_operator.kinds import DEPLOYMENT
from smarter_operator.rollouts import is_rolling_out
from support.api import Api, Manifest, eventually
from support.manifests import chatbot, provider
from support.operator_process import OperatorProcess

BOTS = tuple(f"bot-{number}" for number in range(4))
AT_MOST = 2


def image(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def most_at_once(before: list[Manifest], versions: list[Manifest]) -> int:
    """Return how many Deployments were rolling out at the worst moment."""
    newest = {deployment["metadata"]["name"]: deployment for deployment in before}
    worst = 0
    for version in versions:
        newest[version["metadata"]["name"]] = version
        worst = max(worst, sum(map(is_rolling_out, newest.values())))
    return worst


async def test_a_new_image_reaches_all_bots_two_at_a_time(api: Api, namespace: str, operator: OperatorProcess) -> None:
    await api.apply(provider(namespace=namespace))
    for name in BOTS:
        await api.apply(chatbot(name, namespace, exposure={"type": "None"}))

    async def all_ready() -> bool:
        return all([await api.is_ready(namespace, name) for name in BOTS])

    async def all_run(wanted: str) -> bool:
        found = await api.list_all("Deployment", namespace)
        return all(image(one) == wanted and not is_rolling_out(one) for one in found)

    await eventually(all_ready)
    # Killed, for what waits and what rolls out must be known to the next one all the same.
    await operator.stop(signal.SIGKILL)
    before = await api.call("GET", DEPLOYMENT.path(namespace))
    try:
        await operator.start(SMARTER_RUNTIME_IMAGE="runtime:next", SMARTER_MAX_ROLLOUTS=str(AT_MOST))
        await eventually(lambda: all_run("runtime:next"), 60)
        versions = await api.versions("Deployment", namespace, before)
        assert most_at_once(before["items"], versions) == AT_MOST
        await eventually(all_ready)
    finally:
        await operator.stop(signal.SIGKILL)
        await operator.start()
