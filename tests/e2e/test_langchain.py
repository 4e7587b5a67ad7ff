"""A bot whose model is reached through LangChain, in a real pod."""

from e2e.conftest import ROOT, Shop
from support.api import Api, eventually
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

    async def live() -> bool:
        conditions = [await api.condition(NAMESPACE, "support", name) for name in ("ConfigLive", "Available")]
        return [status for status, *_ in conditions] == ["True", "True"]

    await eventually(live, 90)
    pods = await api.list_all("Pod", NAMESPACE)
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [images["runtime-langchain"]]
