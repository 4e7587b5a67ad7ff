import subprocess
from collections.abc import Callable

from support.api import Api, eventually
from support.manifests import chatbot, exposed, provider


async def test_describe_shows_what_happened_to_a_chatbot(
    api: Api, namespace: str, kubectl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    await api.apply(chatbot(namespace=namespace, exposure=exposed()))

    async def shows(*words: str) -> bool:
        described = kubectl("--namespace", namespace, "describe", "chatbot", "support").stdout
        events = described.partition("Events:")[2]
        return all(word in events for word in words)

    await eventually(lambda: shows("Warning", "ProviderNotFound", "smarter-operator"))
    await api.apply(provider(namespace=namespace))
    await eventually(lambda: shows("Normal", "Accepted", "Ready"))
