"""A bot whose model is reached through LangChain, in a real pod."""

from e2e.conftest import ROOT, Shop
from support.api import Api, until_empty
from support.manifests import chatbot, provider

NAMESPACE = "e2e-langchain"


async def test_a_bot_that_needs_langchain_gets_the_image_that_has_it(shop: Shop, api: Api) -> None:
    images = shop.cluster.build_images(ROOT, ("runtime-langchain",))
    shop.cluster.load_images(list(images.values()))
    await api.namespace(NAMESPACE)
    await api.apply(
        provider("claude", NAMESPACE, type="Anthropic", defaultModel="claude-sonnet-4-6"),
        chatbot(namespace=NAMESPACE, model={"providerRef": {"name": "claude"}}),
    )

    async def not_live() -> list[str]:
        conditions = [await api.condition(NAMESPACE, "support", name) for name in ("ConfigLive", "Available")]
        return [f"{reason}: {message}" for status, reason, message in conditions if status != "True"]

    await until_empty(not_live, 90)
    pods = await api.list_all("Pod", NAMESPACE)
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [images["runtime-langchain"]]
