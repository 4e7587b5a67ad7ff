"""The real operator looks at hosts with the real resolver; what it finds informs, survives it, and blocks nothing."""

from collections.abc import AsyncIterator

import pytest_asyncio

from support.api import Api, eventually
from support.manifests import chatbot, exposed, provider
from support.operator_process import OperatorProcess


@pytest_asyncio.fixture(loop_scope="session")
async def probing(operator: OperatorProcess) -> AsyncIterator[OperatorProcess]:
    """The operator, with probes every second."""
    assert await operator.stop() == 0
    with operator.settings(SMARTER_PROBE_SECONDS="1"):
        await operator.start()
        yield operator
        assert await operator.stop() == 0
    await operator.start()


async def test_a_host_that_dns_does_not_lead_to_the_bot_is_said_and_blocks_nothing(
    api: Api, namespace: str, probing: OperatorProcess
) -> None:
    host = f"support.{namespace}.example"
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))

    async def said() -> bool:
        _, reason, message = await api.condition(namespace, "support", "DNSReady")
        return reason in ("NotFound", "NoAnswer") and repr(host) in message

    await eventually(said, 60)
    await eventually(lambda: api.is_ready(namespace, "support"))
    bot = await api.get("Chatbot", namespace, "support")
    assert bot is not None
    status, reason, _ = await api.condition(namespace, "support", "DNSReady")
    assert bot["status"]["hosts"][0].get("resolved") is (False if reason == "NotFound" else None)
    assert (await api.condition(namespace, "support", "Reachable"))[:2] == (status, reason)

    # What was found outlives the operator, and finding it again is no news.
    version = bot["metadata"]["resourceVersion"]
    assert await probing.stop() == 0
    await probing.start()
    looked = 'smarter_reconcile_total{kind="Chatbot"'

    async def judged_again() -> bool:
        found = [float(line.split()[-1]) for line in (await probing.metrics()).splitlines() if line.startswith(looked)]
        return sum(found) >= 3

    await eventually(judged_again, 60)
    bot = await api.get("Chatbot", namespace, "support")
    assert bot is not None
    assert bot["metadata"]["resourceVersion"] == version
