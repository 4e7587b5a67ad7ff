import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from runtime.support import config, running, write
from support.api import Api, eventually
from support.data_plane import DataPlane
from support.manifests import api_key, chatbot, provider

REVOKED_SECONDS = 2


async def keys_of(api: Api, namespace: str) -> str:
    """Return the keys that the bot's ConfigMap holds; empty where there is none."""
    found = await api.get("ConfigMap", namespace, "support-keys") or {}
    return str(found.get("data", {}).get("keys", ""))


async def newest(api: Api, namespace: str, rotation: int) -> dict[str, Any]:
    """Wait for the token of this rotation and return its entry in the status."""

    async def issued() -> dict[str, Any]:
        status = (await api.get("ApiKey", namespace, "backend") or {}).get("status", {})
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        entries: list[dict[str, Any]] = status.get("issued", [])
        is_there = conditions.get("Issued") == "True" and entries and entries[0]["rotation"] == rotation
        return entries[0] if is_there else {}

    return await eventually(issued)


async def token_in(api: Api, namespace: str, secret: str) -> str:
    found = await api.get("Secret", namespace, secret)
    assert found is not None
    return base64.b64decode(found["data"]["token"]).decode()


async def test_a_token_is_issued_works_at_the_runtime_and_is_taken_back_within_seconds(
    api: Api, namespace: str, data_plane: DataPlane, tmp_path: Path
) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure={"type": "None"}))
    await api.apply(api_key(namespace=namespace))
    entry = await newest(api, namespace, 1)
    token = await token_in(api, namespace, entry["secretName"])
    assert hashlib.sha256(token.encode()).hexdigest() == entry["sha256"]

    async def published() -> bool:
        return entry["sha256"] in await keys_of(api, namespace)

    await eventually(published)
    await eventually(lambda: api.is_ready(namespace, "support"))
    async with running(tmp_path, config()) as bot, bot.client(token) as client:
        write(tmp_path / "config", (await keys_of(api, namespace)).encode(), "keys")
        await bot.runtime.refresh()
        answer = await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content

    await api.delete("ApiKey", namespace, "backend")

    async def revoked() -> bool:
        return not json.loads(await keys_of(api, namespace))["keys"]

    await eventually(revoked, REVOKED_SECONDS)

    async def known() -> bool:
        found = await api.get("ConfigMap", namespace, "support-keys")
        assert found is not None
        pods = [pod for pod in data_plane.pods.values() if pod.namespace == namespace]
        return [pod.keys_hash for pod in pods] == [found["data"]["hash"]]

    await eventually(known, 10)

    async def collected() -> bool:
        return await api.get("Secret", namespace, entry["secretName"]) is None

    # The garbage collector learns of new kinds only every 30 s.
    await eventually(collected, 90)


async def test_a_rotation_without_overlap_leaves_one_secret_and_one_token(api: Api, namespace: str) -> None:
    await api.apply(api_key(namespace=namespace, overlapSeconds=0))
    first = await newest(api, namespace, 1)
    await api.apply(api_key(namespace=namespace, overlapSeconds=0, generate={"rotation": 2}))
    second = await newest(api, namespace, 2)

    async def left() -> bool:
        names = [secret["metadata"]["name"] for secret in await api.list_all("Secret", namespace)]
        status = (await api.get("ApiKey", namespace, "backend") or {})["status"]
        return bool(names == [second["secretName"]] and status["issued"] == [second])

    await eventually(left, 10)
    assert first["sha256"] != second["sha256"]
