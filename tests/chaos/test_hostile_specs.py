"""Resources as large, as many, as long and as strange as the API server takes them."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from smarter_crds.runtime_config import unpack
from support.api import Api, Manifest, eventually, until_empty
from support.children import children
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

SEED = 20261128
SAID_SECONDS = 10
READY_SECONDS = 60
"""Far more than it takes, for the machine may be busy with other things; what it took is printed."""

WORDS = ["order", "return", "parcel", "size", "shoe", "refund", "gift", "card", "store", "week", "price", "colour"]
SCRIPTS = (
    "Größe ﷺ العربية עברית हिन्दी ไทย 한국어 日本語 Ελληνικά \U0001d518\U0001d52b e\u0301 \U0001f469\U0001f3fd\u200d"
    "\U0001f680 \x7f\x85\x9f\u2028\u2029\ufeff \u200f\u202e\u0000\u001f\ufffe \U0010ffff"
)
"""Letters from right to left, of two code points and beyond the first plane, controls and what is no character."""


def prose(dice: random.Random, size: int) -> str:
    """Return text that compresses as text does."""
    return " ".join(dice.choices(WORDS, k=size // 6))[:size]


def noise(dice: random.Random, size: int) -> str:
    """Return text that hardly compresses."""
    return base64.b85encode(dice.randbytes(size * 4 // 5)).decode()


async def make_plugins(api: Api, namespace: str, texts: Iterable[str]) -> list[dict[str, str]]:
    """Make a Plugin of each text. Returns what a Chatbot says to use them all."""
    made = [plugin(f"plugin-{number}", namespace, static={"data": {"text": text}}) for number, text in enumerate(texts)]
    await api.apply(*made)
    return [{"name": each["metadata"]["name"]} for each in made]


async def says(api: Api, namespace: str, reason: str, bot: str = "support") -> float:
    """Wait until `Ready` is False for this reason. Returns the seconds it took."""
    began = asyncio.get_running_loop().time()

    async def said() -> bool:
        return (await api.condition(namespace, bot, "Ready"))[:2] == ("False", reason)

    await eventually(said, SAID_SECONDS)
    return asyncio.get_running_loop().time() - began


async def ready(api: Api, namespace: str, bot: str = "support") -> float:
    """Wait until it is Ready. Returns the seconds it took; if it does not come, the error says what its status is."""
    began = asyncio.get_running_loop().time()

    async def left() -> list[str]:
        if await api.is_ready(namespace, bot):
            return []
        found = await api.get("Chatbot", namespace, bot) or {}
        if "status" not in found:
            return ["no status"]
        return [f"{c['type']}: {c['reason']}: {c['message']}" for c in found["status"]["conditions"]]

    await until_empty(left, READY_SECONDS)
    return asyncio.get_running_loop().time() - began


async def served(api: Api, namespace: str) -> Manifest:
    """Return the config in the bot's ConfigMap."""
    found = await api.get("ConfigMap", namespace, "support-config")
    assert found is not None
    document: Manifest = json.loads(unpack(base64.b64decode(found["binaryData"]["config"])))
    return document


@pytest.mark.parametrize(
    ("count", "size"),
    [pytest.param(50, 16_000, id="50-of-16-kB"), pytest.param(128, 8_000, id="128-of-8-kB")],
)
async def test_a_bot_with_very_many_large_plugins_becomes_ready_and_an_edit_reaches_it(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane, count: int, size: int
) -> None:
    dice = random.Random(SEED)
    await api.apply(provider(namespace=namespace))
    used = await make_plugins(api, namespace, (prose(dice, size) for _ in range(count)))
    await api.apply(chatbot(namespace=namespace, plugins=used, exposure=exposed()))
    made = await ready(api, namespace)
    before = (await api.get("Chatbot", namespace, "support") or {})["status"]["configHash"]
    await api.apply(plugin("plugin-0", namespace, static={"data": {"text": "short"}}))

    async def changed() -> bool:
        bot = await api.get("Chatbot", namespace, "support") or {}
        return bool(bot["status"]["configHash"] != before) and await api.is_ready(namespace, "support")

    began = asyncio.get_running_loop().time()
    await eventually(changed, READY_SECONDS)
    print(f"\nReady after {made:.1f} s, an edit live after {asyncio.get_running_loop().time() - began:.1f} s")
    assert [each["name"] for each in (await served(api, namespace))["plugins"]] == [each["name"] for each in used]


async def test_bots_whose_plugins_do_not_fit_say_so_in_ten_seconds_while_the_others_are_served(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    dice, loop = random.Random(SEED), asyncio.get_running_loop()
    await api.apply(provider(namespace=namespace))
    used = await make_plugins(api, namespace, (noise(dice, 100_000) for _ in range(128)))
    large = [f"large-{number}" for number in range(3)]
    async with asked_again_and_again(operator) as answers:
        await api.apply(*(chatbot(name, namespace, plugins=used) for name in large))
        began = loop.time()
        await api.apply(chatbot(namespace=namespace))
        await eventually(lambda: api.get("Deployment", namespace, "support"), 5)
        applied = loop.time() - began
        seconds = [await says(api, namespace, "ConfigTooLarge", name) for name in large]
        message = (await api.condition(namespace, "large-0", "Ready"))[2]
        assert "shorten Plugin 'plugin-" in message
        await ready(api, namespace)
    print(
        f"\nsaid after {max(seconds):.1f} s, a small bot applied after {applied:.1f} s, "
        f"the operator answered within {max(answers):.2f} s"
    )
    assert max(answers) < 5


@asynccontextmanager
async def asked_again_and_again(operator: OperatorProcess) -> AsyncIterator[list[float]]:
    """Ask the operator's probe while the context lasts, as the kubelet does; yields how long each answer took."""
    seconds: list[float] = []
    asking = asyncio.create_task(_ask(operator, seconds))
    try:
        yield seconds
        assert not asking.done(), "the probe has failed"
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _ask(operator: OperatorProcess, seconds: list[float]) -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{operator.port}") as session:
        while True:
            began = loop.time()
            async with session.get("/livez") as response:
                assert response.status == 200
            seconds.append(loop.time() - began)
            await asyncio.sleep(0.05)


async def test_a_plugin_of_a_megabyte_is_left_out_and_both_say_why(
    api: Api, namespace: str, operator: OperatorProcess
) -> None:
    text = noise(random.Random(SEED), 1_000_000)
    await api.apply(provider(namespace=namespace))
    used = await make_plugins(api, namespace, [text])
    await api.apply(chatbot(namespace=namespace, plugins=used))
    took = await says(api, namespace, "PluginNotAccepted")
    print(f"\nsaid after {took:.1f} s")
    found = await api.get("Plugin", namespace, "plugin-0") or {}
    reasons = {c["type"]: c["reason"] for c in found["status"]["conditions"]}
    assert reasons["Ready"] == "DataTooLarge"
    assert (await served(api, namespace)).get("plugins") == []


async def test_a_spec_of_a_megabyte_becomes_a_deployment_of_a_megabyte(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    values = [f"node-{number:058d}" for number in range(12_000)]
    terms = [{"weight": 1, "preference": {"matchExpressions": [{"key": "n", "operator": "In", "values": values}]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    bot = chatbot(namespace=namespace, podTemplate={"affinity": affinity})
    assert len(json.dumps(bot)) > 750_000
    await api.apply(provider(namespace=namespace), bot)
    took = await ready(api, namespace)
    print(f"\nReady after {took:.1f} s")
    live = await api.get("Deployment", namespace, "support") or {}
    assert live["spec"]["template"]["spec"]["affinity"] == affinity


@pytest.mark.parametrize(
    "affinity",
    [
        pytest.param({"nodeAffinity": "x" * 900_000}, id="of-the-wrong-type"),
        pytest.param({"x" * 900_000: {}}, id="with-an-unknown-member"),
    ],
)
async def test_a_megabyte_that_no_deployment_takes_is_a_reason(
    api: Api, namespace: str, operator: OperatorProcess, affinity: dict[str, Any]
) -> None:
    await api.apply(provider(namespace=namespace))
    await api.create(chatbot(namespace=namespace, podTemplate={"affinity": affinity}))
    took = await says(api, namespace, "ApplyRefused")
    print(f"\nsaid after {took:.1f} s")


async def test_every_script_and_every_character_reaches_config_and_pods_as_it_is_and_is_written_once(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    data = {SCRIPTS: [SCRIPTS, None, 1e308, 2**53, {"": ""}]}
    bot = chatbot(
        namespace=namespace,
        systemPrompt=SCRIPTS * 300,
        app={"title": SCRIPTS, "welcomeMessage": SCRIPTS},
        plugins=[{"name": "returns"}],
        # What an environment variable cannot hold is a zero byte.
        podTemplate={"env": [{"name": "TZ", "value": SCRIPTS.replace("\0", "")}]},
    )
    await api.create(provider(namespace=namespace, defaultModel=SCRIPTS))
    await api.create(plugin(namespace=namespace, static={"data": data}))
    await api.create(bot)
    await ready(api, namespace)
    config, stored = await served(api, namespace), await api.get("Plugin", namespace, "returns") or {}
    assert config["systemPrompt"] == SCRIPTS * 300
    assert config["app"]["title"] == SCRIPTS
    assert config["plugins"][0]["static"]["data"] == stored["spec"]["static"]["data"] == data
    deployment = await api.get("Deployment", namespace, "support") or {}
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "TZ", "value": SCRIPTS.replace("\0", "")} in container["env"]
    assert deployment["metadata"]["generation"] == 1


async def test_the_longest_names_become_names_of_children_and_a_host_that_dns_takes(
    api: Api, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    namespace, bot = await api.namespace("n" * 63), "b" * 52
    assert await operator.stop() == 0
    with operator.settings(SMARTER_PLATFORM__BASE_DOMAIN="bots.example"):
        await operator.start()
        try:
            spec = {"exposure": exposed("own.{name}.example"), "plugins": [{"name": "p" * 63}]}
            await api.apply(provider(namespace=namespace), plugin("p" * 63, namespace), chatbot(bot, namespace, **spec))
            await ready(api, namespace, bot)
            status = (await api.get("Chatbot", namespace, bot) or {})["status"]
            [host] = [each["host"] for each in status["hosts"] if each["host"].endswith(".bots.example")]
            label = host.removesuffix(".bots.example")
            assert len(label) <= 63
            assert label.startswith("b" * 52)
            assert await api.get("HostClaim", "", host) is not None
            assert all(len(child["metadata"]["name"]) <= 63 for child in await children(api, namespace))
            await api.delete("Chatbot", namespace, bot)
        finally:
            assert await operator.stop() == 0
    await operator.start()
    await api.delete("Namespace", "", namespace)
