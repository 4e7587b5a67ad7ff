import asyncio
import secrets
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import APIStatusError
from playwright.async_api import Browser, expect

from e2e.conftest import ROOT, Shop
from smarter_cluster.bots import Refused, Visitor
from smarter_cluster.demo import HOST, QUESTION
from smarter_cluster.errors import ClusterError
from support.api import Api, Manifest, eventually, until_empty
from support.manifests import chatbot, plugin, provider

LONG_WORDS = 400


def shoe_shop(name: str) -> Manifest:
    parsed: Manifest = yaml.safe_load((ROOT / "docs/samples/shoe-shop" / name).read_text(encoding="utf-8"))
    return parsed


async def answer(shop: Shop, host: str, question: str) -> str:
    return await asyncio.to_thread(shop.visitor(host).ask, question)


async def edge(api: Api, namespace: str, data: Manifest, model: str = "demo") -> str:
    """Make a bot of its own in a namespace where the strictest pod security holds. Returns its host."""
    host = f"{namespace}.localhost"
    await api.namespace(namespace)
    await api.apply(
        provider(namespace=namespace, defaultModel=model),
        plugin("facts", namespace, description="Facts about the lighthouse.", static={"data": data}),
        chatbot(
            namespace=namespace, plugins=[{"name": "facts"}], exposure={"hosts": [host], "tls": {"mode": "Issuer"}}
        ),
    )
    await eventually(lambda: api.is_ready(namespace, "support"), 60)
    return host


async def test_the_demo_ends_with_a_fact_that_only_the_plugin_had(shop: Shop) -> None:
    assert shop.answer.fact in shop.answer.text


async def test_without_the_plugin_the_same_question_does_not_yield_the_fact(shop: Shop, api: Api) -> None:
    fact = f"LARK-{secrets.token_hex(4)}"
    offer = shoe_shop("plugin-todays-offer.yaml")
    offer["spec"]["static"]["data"]["voucher code of the day"]["code"] = fact
    await api.apply(offer)

    async def tells() -> bool:
        return fact in await answer(shop, HOST, QUESTION)

    await eventually(tells, 15)
    await api.delete("Plugin", "shoes", "todays-offer")

    async def silent() -> bool:
        return not await tells()

    await eventually(silent, 15)
    status, reason, message = await api.condition("shoes", "support", "Ready")
    assert (status, reason) == ("False", "PluginNotFound")
    assert "'todays-offer'" in message
    await api.apply(offer)
    await eventually(tells, 15)
    await eventually(lambda: api.is_ready("shoes", "support"))


async def test_the_certificate_is_the_hosts_own_and_counts_only_for_who_trusts_its_authority(
    shop: Shop, tmp_path: Path
) -> None:
    strangers = tmp_path / "strangers.crt"
    bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    strangers.write_bytes(Path(bundle).read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(Visitor(HOST, shop.cluster.https_address, strangers).ask, QUESTION)
    async with shop.client(HOST) as client, client.stream("GET", "/livez") as response:
        assert response.status_code == 200
        tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        assert tls.getpeercert()["subjectAltName"] == (("DNS", HOST),)


async def test_the_bot_answers_with_its_uid_and_the_operator_does_not_pretend_to_see_it_from_outside(
    shop: Shop, api: Api
) -> None:
    bot = await api.get("Chatbot", "shoes", "support")
    assert bot is not None
    async with shop.client(HOST) as client:
        answer = await client.get("/.well-known/smarter")
    assert answer.json() == {"uid": bot["metadata"]["uid"]}

    async def said() -> bool:
        # Names below `.localhost` mean another machine to everybody who asks.
        return (await api.condition("shoes", "support", "Reachable"))[:2] == ("Unknown", "NotPublic")

    await eventually(said, 120, every_seconds=1)
    await eventually(lambda: api.is_ready("shoes", "support"))


async def test_the_official_sdk_streams_and_collects_the_same_answer(shop: Shop) -> None:
    sdk = await shop.openai(HOST)
    messages: Any = [{"role": "user", "content": "How long can I return a shoe?"}]
    models = await sdk.models.list()
    whole = await sdk.chat.completions.create(model=models.data[0].id, messages=messages)
    parts = []
    stream = await sdk.chat.completions.create(
        model=models.data[0].id, messages=messages, stream=True, stream_options={"include_usage": True}
    )
    usage = None
    async for chunk in stream:
        parts += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    assert "".join(parts) == whole.choices[0].message.content
    assert len(parts) > 5
    assert usage is not None
    assert whole.usage is not None
    assert usage.total_tokens == whole.usage.total_tokens > 0
    await sdk.close()


async def test_bots_share_nothing(shop: Shop) -> None:
    async with shop.client(HOST) as shoes, shop.client("ask.garden.localhost") as garden:
        headers = {"Origin": f"https://{HOST}"}
        token = (await shoes.post("/app/v1/session", json={}, headers=headers)).json()["token"]
        refused = await garden.get("/v1/models", headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 401
    assert shop.answer.fact not in await answer(shop, "ask.garden.localhost", QUESTION)


async def test_the_broken_sample_serves_and_says_what_is_wrong(shop: Shop, api: Api) -> None:
    status, reason, message = await api.condition("broken", "returns-desk", "Ready")
    assert (status, reason) == ("False", "PluginNotFound")
    assert "create it, or remove it from `spec.plugins`" in message
    assert await answer(shop, "returns.broken.localhost", "When are you open?")


async def test_edits_go_live_in_the_same_pods_while_a_stream_runs_on(shop: Shop, api: Api) -> None:
    words = " ".join(f"step{number}" for number in range(LONG_WORDS))
    host = await edge(api, "e2e-live", {"lighthouse": {"keeper": "nobody", "story": words}}, model="demo-slow")
    pods = {pod["metadata"]["uid"] for pod in await api.list_all("Pod", "e2e-live")}
    sdk = await shop.openai(host)
    messages: Any = [{"role": "user", "content": "Tell the story of the lighthouse."}]
    stream = await sdk.chat.completions.create(model="demo-slow", messages=messages, stream=True)
    said: list[str] = []

    async def listen() -> None:
        async for chunk in stream:
            said.extend(choice.delta.content or "" for choice in chunk.choices)

    listening = asyncio.create_task(listen())
    for number in range(5):
        keeper = f"keeper{number}"
        data = {"lighthouse": {"keeper": keeper, "story": "short now"}}
        await api.apply(plugin("facts", "e2e-live", description="Facts about the lighthouse.", static={"data": data}))

        async def tells(keeper: str = keeper) -> bool:
            return keeper in await answer(shop, host, "Who is the keeper of the lighthouse?")

        await eventually(tells, 15)
    assert not listening.done(), "the story must outlast the edits, else this proves nothing"
    async with asyncio.timeout(90):
        await listening
    story = "".join(said)
    assert [word for word in words.split() if word not in story] == []
    assert {pod["metadata"]["uid"] for pod in await api.list_all("Pod", "e2e-live")} == pods
    await sdk.close()
    await api.delete("Namespace", "", "e2e-live")


async def test_maintenance_comes_and_goes_in_the_same_pods(shop: Shop, api: Api) -> None:
    host = await edge(api, "e2e-away", {"lighthouse": {"height": "42 metres"}})
    pods = {pod["metadata"]["uid"] for pod in await api.list_all("Pod", "e2e-away")}
    sdk = await shop.openai(host)
    messages: Any = [{"role": "user", "content": "What is the height of the lighthouse?"}]

    async def said() -> str:
        try:
            answer = await sdk.chat.completions.create(model="demo", messages=messages)
        except APIStatusError as error:
            assert (error.status_code, error.code) == (503, "maintenance")
            assert error.response.headers["x-should-retry"] == "false"
            return str(error.body["message"]) if isinstance(error.body, dict) else ""
        return answer.choices[0].message.content or ""

    async def says(text: str) -> bool:
        return text in await said()

    assert await says("42 metres")
    away = {"state": "Maintenance", "maintenanceMessage": "The lamp is being cleaned 🛠."}
    await api.patch("Chatbot", "e2e-away", "support", {"spec": away})
    await eventually(lambda: says("The lamp is being cleaned 🛠."), 15)
    async with shop.client(host) as client:
        page = await client.get("/")
        assert (page.status_code, "The lamp is being cleaned 🛠." in page.text) == (200, True)
    await eventually(lambda: api.is_ready("e2e-away", "support"), 15)
    assert (await api.condition("e2e-away", "support", "Ready"))[1] == "Maintenance"
    await api.patch("Chatbot", "e2e-away", "support", {"spec": {"state": "Active"}})
    await eventually(lambda: says("42 metres"), 15)
    assert {pod["metadata"]["uid"] for pod in await api.list_all("Pod", "e2e-away")} == pods
    await sdk.close()
    await api.delete("Namespace", "", "e2e-away")


async def test_bots_serve_on_while_the_operator_is_down(shop: Shop, api: Api) -> None:
    async def operators() -> list[str]:
        selector = "app.kubernetes.io/name=smarter-operator"
        return [pod["metadata"]["name"] for pod in await api.list_all("Pod", "smarter-system", selector)]

    async def running() -> bool:
        found = await api.get("Deployment", "smarter-system", "smarter") or {}
        return bool(found["status"].get("readyReplicas") == 1)

    await api.patch("Deployment", "smarter-system", "smarter", {"spec": {"replicas": 0}})
    try:
        await until_empty(operators, 60)
        assert "60 days" in await answer(shop, HOST, "How long can I return a shoe?")
    finally:
        await api.patch("Deployment", "smarter-system", "smarter", {"spec": {"replicas": 1}})
        await eventually(running, 60)


async def test_deleting_the_chatbot_takes_pods_and_route_with_it(shop: Shop, api: Api) -> None:
    host = await edge(api, "e2e-gone", {"lighthouse": {"height": "42 metres"}})
    assert "42 metres" in await answer(shop, host, "What is the height of the lighthouse?")
    await api.delete("Chatbot", "e2e-gone", "support")

    async def left() -> list[str]:
        return [pod["metadata"]["name"] for pod in await api.list_all("Pod", "e2e-gone")]

    await until_empty(left, 120)
    with pytest.raises((OSError, Refused)):
        await answer(shop, host, "What is the height of the lighthouse?")
    await api.delete("Namespace", "", "e2e-gone")


async def test_pods_are_locked_down(api: Api, shop: Shop) -> None:
    pod = (await api.list_all("Pod", "shoes"))[0]
    mounts = [mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]]
    assert "/var/run/secrets/kubernetes.io/serviceaccount" not in mounts
    for command, allowed in (("open('/app/x', 'w')", False), ("open('/tmp/x', 'w')", True)):
        run = ("exec", "-n", "shoes", pod["metadata"]["name"], "--", "/app/.venv/bin/python", "-c", command)
        try:
            shop.cluster.kubectl(*run)
        except ClusterError as error:
            assert not allowed, error
            assert "Read-only file system" in str(error)
        else:
            assert allowed, "the root file system can be written"


async def test_a_visitor_chats_in_a_browser_at_the_bots_own_address(shop: Shop, browser: Browser) -> None:
    _, port = shop.cluster.https_address
    # The browser has no way to trust one authority more; what the certificate is worth is tested above.
    context = await browser.new_context(ignore_https_errors=True)
    page = await context.new_page()
    await page.goto(f"https://{HOST}:{port}/")
    await expect(page).to_have_title("Cobble & Lark Support")
    await page.get_by_role("button", name="How long can I return a shoe?").click()
    await expect(page.get_by_role("log")).to_contain_text("60 days", timeout=20_000)
    await context.close()
