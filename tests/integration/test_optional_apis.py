"""APIs of other products on a real API server: the Gateway API, and a Prometheus operator that comes and goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from smarter_operator.apis import ASK_AGAIN_SECONDS
from smarter_operator.kinds import POD_MONITOR
from support.api import Api, Manifest, eventually
from support.children import children
from support.data_plane import DataPlane
from support.definitions import listener_sets, remove, served
from support.manifests import OWN_HOST, chatbot, exposed, provider
from support.operator_process import OperatorProcess

GATEWAY = {
    "type": "HTTPRoute",
    "hosts": [OWN_HOST],
    "gatewayRef": {"name": "public", "sectionName": "https"},
}
POD_MONITORS = f"{POD_MONITOR.plural}.{POD_MONITOR.group}"
DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": POD_MONITORS,
        "annotations": {"api-approved.kubernetes.io": "unapproved, made for a test"},
    },
    "spec": {
        "group": POD_MONITOR.group,
        "scope": "Namespaced",
        "names": {"kind": POD_MONITOR.name, "plural": POD_MONITOR.plural, "singular": "podmonitor"},
        "versions": [
            {
                "name": POD_MONITOR.version,
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


async def kinds_of(api: Api, namespace: str) -> set[str]:
    return {child["kind"] for child in await children(api, namespace)}


async def accept(api: Api, namespace: str) -> None:
    """Answer for the Gateway's controller."""
    live = await api.get("HTTPRoute", namespace, "support")
    assert live is not None
    stamp = {"observedGeneration": live["metadata"]["generation"], "lastTransitionTime": "2026-11-22T12:00:00Z"}
    conditions = [
        {"type": name, "status": "True", "reason": name, "message": "", **stamp}
        for name in ("Accepted", "ResolvedRefs")
    ]
    parents = [
        {"parentRef": parent, "controllerName": "test.example/gateway", "conditions": conditions}
        for parent in live["spec"]["parentRefs"]
    ]
    await api.patch("HTTPRoute", namespace, "support", {"status": {"parents": parents}}, "status")


async def open_listeners(api: Api, namespace: str) -> None:
    """Answer for the Gateway's controller that it listens as the bot asks for."""
    live = await api.get("ListenerSet", namespace, "support")
    assert live is not None
    stamp = {"observedGeneration": live["metadata"]["generation"], "lastTransitionTime": "2026-11-28T12:00:00Z"}
    conditions = [
        {"type": name, "status": "True", "reason": name, "message": "", **stamp} for name in ("Accepted", "Programmed")
    ]
    await api.patch("ListenerSet", namespace, "support", {"status": {"conditions": conditions}}, "status")


async def test_a_bot_moves_behind_a_gateway_and_back(api: Api, namespace: str) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))
    await api.apply(chatbot(namespace=namespace, exposure=GATEWAY))

    async def waits() -> bool:
        return (await api.condition(namespace, "support", "Ready"))[:2] == ("False", "NoGateway")

    await eventually(waits)
    assert not {"Ingress", "Certificate"} & await kinds_of(api, namespace)
    await accept(api, namespace)
    await eventually(lambda: api.is_ready(namespace, "support"))
    await api.apply(chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))
    assert "HTTPRoute" not in await kinds_of(api, namespace)


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param({"spec": {"parentRefs": [{"name": "public"}, {"name": "another"}]}}, id="another-gateway"),
        pytest.param({"spec": {"hostnames": ["thief.example"]}}, id="another-host"),
        pytest.param({"spec": {"rules": [{"backendRefs": [{"name": "thief", "port": 80}]}]}}, id="another-service"),
    ],
)
async def test_a_changed_route_is_put_right(api: Api, namespace: str, drift: Manifest) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=GATEWAY))
    made = await eventually(lambda: api.get("HTTPRoute", namespace, "support"))
    assert made is not None
    await api.patch("HTTPRoute", namespace, "support", drift)

    async def restored() -> bool:
        now = await api.get("HTTPRoute", namespace, "support")
        return now is not None and bool(now["spec"] == made["spec"])

    await eventually(restored, 10)


@pytest_asyncio.fixture(loop_scope="session")
async def prometheus(api: Api) -> AsyncIterator[None]:
    """The definition that a Prometheus operator brings along, and takes with it."""
    async with served(api, DEFINITION):
        yield


async def test_a_prometheus_operator_may_come_and_go(
    api: Api, namespace: str, operator: OperatorProcess, prometheus: None
) -> None:
    # Until then it may still be known as missing.
    await asyncio.sleep(ASK_AGAIN_SECONDS)
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))

    async def monitored() -> bool:
        return "PodMonitor" in await kinds_of(api, namespace)

    await eventually(monitored)
    await api.delete("PodMonitor", namespace, "support")
    # The kind may not be watched yet; the list that follows its arrival notices.
    await eventually(monitored, 40)
    await api.apply(chatbot(namespace=namespace, exposure=exposed(), state="Offline"))

    async def not_monitored() -> bool:
        return not await monitored()

    await eventually(not_monitored)
    await api.apply(chatbot(namespace=namespace, exposure=exposed()))
    await eventually(monitored)
    await remove(api, POD_MONITORS)

    async def gone() -> bool:
        return "PodMonitor" not in await kinds_of(api, namespace)

    await eventually(gone)
    await api.apply(chatbot(namespace=namespace, exposure=exposed(), systemPrompt="Without Prometheus."))
    await eventually(lambda: api.is_ready(namespace, "support"))
    assert operator.returncode is None


async def test_listeners_of_a_bots_own_come_with_their_api_and_go_with_the_wish(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    own = GATEWAY | {"tls": exposed()["tls"]}
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=own))

    async def says(reason: str) -> bool:
        return (await api.condition(namespace, "support", "RouteReady"))[1] == reason

    await eventually(lambda: says("ListenerSetMissing"))
    async with served(api, listener_sets()):
        made = await eventually(lambda: api.get("ListenerSet", namespace, "support"), 40)
        assert made is not None
        await eventually(lambda: says("NoGateway"))
        await open_listeners(api, namespace)
        await accept(api, namespace)
        await eventually(lambda: api.is_ready(namespace, "support"))

        await api.patch("ListenerSet", namespace, "support", {"spec": {"parentRef": {"name": "thiefs"}}})

        async def restored() -> bool:
            now = await api.get("ListenerSet", namespace, "support")
            return now is not None and bool(now["spec"] == made["spec"])

        await eventually(restored, 10)
        await api.apply(chatbot(namespace=namespace, exposure=GATEWAY))

        async def gone() -> bool:
            return not {"ListenerSet", "Certificate"} & await kinds_of(api, namespace)

        await eventually(gone)
        await accept(api, namespace)
        await eventually(lambda: api.is_ready(namespace, "support"))
        tls = {"mode": "Secret", "secretName": "acme-wildcard"}
        await api.apply(chatbot(namespace=namespace, exposure=GATEWAY | {"tls": tls}))
        await eventually(lambda: api.get("ListenerSet", namespace, "support"))
    await eventually(lambda: says("ListenerSetMissing"), 60)
    assert operator.returncode is None
