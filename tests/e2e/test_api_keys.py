import base64
from typing import Any

import pytest
from openai import AsyncOpenAI, AuthenticationError

from e2e.conftest import Shop
from support.api import Api, eventually
from support.manifests import api_key, chatbot, provider

NAMESPACE = "e2e-apikeys"
HOST = "e2e-apikeys.localhost"
REVOKED_SECONDS = 5


async def token_of(api: Api) -> str:
    """Wait for the token and return it, as somebody who may read Secrets."""

    async def secret() -> dict[str, Any]:
        issued = (await api.get("ApiKey", NAMESPACE, "backend") or {}).get("status", {}).get("issued", [])
        return await api.get("Secret", NAMESPACE, issued[0].get("secretName", "none")) or {} if issued else {}

    return base64.b64decode((await eventually(secret))["data"]["token"]).decode()


async def test_a_key_opens_a_bot_over_https_until_it_is_taken_back(shop: Shop, api: Api) -> None:
    await api.namespace(NAMESPACE)
    bot = chatbot(namespace=NAMESPACE, access={"mode": "ApiKey"}, exposure={"hosts": [HOST], "tls": {"mode": "Issuer"}})
    await api.apply(provider(namespace=NAMESPACE), bot)
    await eventually(lambda: api.is_ready(NAMESPACE, "support"), 60)
    pods = [pod["metadata"]["uid"] for pod in await api.list_all("Pod", NAMESPACE)]
    await api.apply(api_key(namespace=NAMESPACE))
    sdk = AsyncOpenAI(
        base_url=f"https://{HOST}/v1", api_key=await token_of(api), http_client=shop.client(HOST), max_retries=0
    )

    async def opens() -> bool:
        try:
            await sdk.models.list()
        except AuthenticationError:
            return False
        return True

    await eventually(opens, 15)
    answer = await sdk.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content

    await api.delete("ApiKey", NAMESPACE, "backend")

    async def shut() -> bool:
        return not await opens()

    await eventually(shut, REVOKED_SECONDS)
    with pytest.raises(AuthenticationError) as caught:
        await sdk.models.list()
    assert caught.value.code == "invalid_api_key"
    assert [pod["metadata"]["uid"] for pod in await api.list_all("Pod", NAMESPACE)] == pods
    await sdk.close()
    await api.delete("Namespace", "", NAMESPACE)
