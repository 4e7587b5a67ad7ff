"""Which config is in service, and that a change disturbs nobody."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.support import Running, config, delta, lines, plugin, running, scripted, write
from smarter_crds.runtime_config import (
    LANGCHAIN_TYPES,
    SCHEMA_VERSION,
    ModelChoice,
    ModelConfig,
    ModelOverrides,
    ProviderConfig,
    RuntimeConfig,
    config_hash,
    pack,
    to_json,
)

FIRST, SECOND = config(system_prompt="first"), config(system_prompt="second")


def hash_of(document: RuntimeConfig) -> str:
    return config_hash(to_json(document))


def changed(**fields: Any) -> bytes:
    """Return a packed config with top-level fields replaced in its JSON."""
    return pack(json.dumps(json.loads(to_json(FIRST)) | fields).encode())


async def test_the_status_tells_what_is_in_service(tmp_path: Path) -> None:
    async with running(tmp_path, FIRST) as bot:
        status = await bot.status()
    assert status == {
        "podUid": "pod-1",
        "configHash": hash_of(FIRST),
        "loadedAt": "2026-03-14T12:00:00Z",
        "keys": 0,
        "keysHash": "",
        "problems": [],
    }


async def test_a_new_config_is_taken_into_service(tmp_path: Path) -> None:
    async with running(tmp_path, FIRST) as bot:
        write(tmp_path / "config", SECOND)
        await bot.runtime.refresh()
        assert (await bot.status())["configHash"] == hash_of(SECOND)


async def test_a_swapped_link_is_seen(tmp_path: Path) -> None:
    """Kubernetes links the files through `..data`, which it swaps."""
    folder = tmp_path / "config"
    write(folder / "..1", FIRST)
    write(folder / "..2", SECOND)
    (folder / "..data").symlink_to("..1")
    (folder / "config").symlink_to("..data/config")
    async with running(tmp_path) as bot:
        assert (await bot.status())["configHash"] == hash_of(FIRST)
        (folder / "..new").symlink_to("..2")
        (folder / "..new").rename(folder / "..data")
        await bot.runtime.refresh()
        assert (await bot.status())["configHash"] == hash_of(SECOND)


@pytest.mark.parametrize(
    "poll_seconds", [pytest.param(1000, id="told-by-the-kernel"), pytest.param(0.01, id="by-looking")]
)
async def test_the_watcher_sees_a_change_by_itself(tmp_path: Path, poll_seconds: float) -> None:
    async with running(tmp_path, FIRST, config_poll_seconds=poll_seconds, api_port=0, status_port=0) as bot:
        served = asyncio.create_task(bot.runtime.run())
        for document in (SECOND, FIRST, SECOND):
            write(tmp_path / "config", document)
            await asyncio.wait_for(in_service(bot, document), 10)
        bot.runtime.stop()
        await served


async def in_service(bot: Running, document: RuntimeConfig) -> None:
    while bot.services.bot().config_hash != hash_of(document):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_a_folder_that_is_not_there_yet_is_looked_for(tmp_path: Path) -> None:
    async with running(tmp_path, api_port=0, status_port=0) as bot:
        served = asyncio.create_task(bot.runtime.run())
        write(tmp_path / "config", FIRST)
        async with asyncio.timeout(10):
            while bot.services.configs.bot is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert bot.services.bot().config_hash == hash_of(FIRST)
        bot.runtime.stop()
        await served


@pytest.mark.parametrize(
    ("document", "reason", "fault"),
    [
        pytest.param(b"plain", "ConfigInvalid", "not gzip data", id="no-gzip"),
        pytest.param(pack(b"[1]"), "ConfigInvalid", "no valid config", id="no-object"),
        pytest.param(pack(b"{"), "ConfigInvalid", "not the JSON of a config", id="no-json"),
        pytest.param(pack(to_json(FIRST))[:-9], "ConfigInvalid", "not gzip data", id="cut"),
        pytest.param(pack(b" " * (17 * 1024 * 1024)), "ConfigInvalid", "unfolds to more", id="bomb"),
        pytest.param(changed(schemaVersion=SCHEMA_VERSION + 1), "ConfigTooNew", "use a newer image", id="too-new"),
        pytest.param(changed(schemaVersion="9"), "ConfigInvalid", "not the JSON of a config", id="version-is-text"),
        pytest.param(changed(limits={"maxAnswerSeconds": "x"}), "ConfigInvalid", "limits.maxAnswerSeconds", id="field"),
        pytest.param(changed(timeZone="Mars/Olympus"), "ConfigInvalid", "'Mars/Olympus' is unknown", id="time-zone"),
        pytest.param(changed(timeZone="../../etc"), "ConfigInvalid", "is unknown", id="time-zone-path"),
        pytest.param(changed(providers={}), "ConfigInvalid", "names provider 'main'", id="no-such-provider"),
    ],
)
async def test_a_broken_config_is_reported_and_the_last_good_one_serves_on(
    tmp_path: Path, document: bytes, reason: str, fault: str
) -> None:
    async with running(tmp_path, FIRST) as bot:
        write(tmp_path / "config", document)
        await bot.runtime.refresh()
        status = await bot.status()
        assert status["configHash"] == hash_of(FIRST)
        assert [problem["reason"] for problem in status["problems"]] == [reason]
        assert fault in status["problems"][0]["message"]
        assert (await bot.chat("hi")).status == 200
        write(tmp_path / "config", SECOND)
        await bot.runtime.refresh()
        assert (await bot.status())["problems"] == []


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        pytest.param(
            config(plugins=(plugin(model=ModelOverrides(provider="gone")),)), "plugin 'returns-policy'", id="override"
        ),
        pytest.param(
            config(providers={"main": ProviderConfig(name="main", type="OpenAI", base_url="ftp://x")}),
            "baseUrl",
            id="scheme",
        ),
        pytest.param(
            config(providers={"main": ProviderConfig(name="main", type="OpenAI")}), "baseUrl", id="no-address"
        ),
        pytest.param(
            config(providers={"main": ProviderConfig(name="main", type="Google", base_url="ftp://x")}),
            "baseUrl",
            id="scheme-for-langchain",
        ),
        pytest.param(
            config(
                providers={
                    "main": ProviderConfig(name="main", type="OpenAI", base_url="https://x", allowed_cidrs=("x",))
                }
            ),
            "allowedCIDRs",
            id="cidr",
        ),
        pytest.param(
            config(model=ModelConfig(provider="main", name="m", fallbacks=(ModelChoice(provider="x", name="m"),))),
            "fallback 0 names provider 'x'",
            id="fallback",
        ),
        pytest.param(
            config(plugins=(plugin().model_copy(update={"static": None}),)),
            "no `static` member",
            id="plugin-without-data",
        ),
    ],
)
async def test_what_this_runtime_cannot_do_is_a_broken_config(
    tmp_path: Path, document: RuntimeConfig, fault: str
) -> None:
    async with running(tmp_path, FIRST) as bot:
        write(tmp_path / "config", document)
        await bot.runtime.refresh()
        assert fault in (await bot.status())["problems"][0]["message"]


@pytest.mark.parametrize("provider_type", sorted(LANGCHAIN_TYPES - {"LangChain"}))
async def test_a_provider_that_a_library_knows_how_to_reach_needs_no_address(
    tmp_path: Path, provider_type: str
) -> None:
    document = config(providers={"main": ProviderConfig(name="main", type=provider_type)})
    async with running(tmp_path, FIRST) as bot:
        write(tmp_path / "config", document)
        await bot.runtime.refresh()
        assert (await bot.status())["configHash"] == hash_of(document)


async def test_values_of_a_broken_config_are_not_told(tmp_path: Path) -> None:
    async with running(tmp_path, FIRST) as bot:
        provider = {"name": "main", "type": "Demo", "headers": {"X-Key": ["top-secret"]}}
        write(tmp_path / "config", changed(providers={"main": provider}))
        await bot.runtime.refresh()
        message = (await bot.status())["problems"][0]["message"]
    assert "providers.main.headers.X-Key" in message
    assert "top-secret" not in message


async def test_fields_from_the_future_are_ignored(tmp_path: Path) -> None:
    async with running(tmp_path, FIRST) as bot:
        write(tmp_path / "config", changed(hologram={"a": 1}))
        await bot.runtime.refresh()
        assert (await bot.status())["problems"] == []


async def test_a_start_with_a_broken_config_uses_the_good_one(tmp_path: Path) -> None:
    write(tmp_path / "config", b"broken")
    write(tmp_path / "config", SECOND, "good")
    async with running(tmp_path) as bot:
        status = await bot.status()
        assert status["configHash"] == hash_of(SECOND)
        assert [problem["reason"] for problem in status["problems"]] == ["ConfigInvalid"]
        assert (await bot.chat("hi")).status == 200


async def test_without_any_config_the_pod_is_not_ready_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path) as bot:
        async with bot.http.get(f"{bot.url}/readyz") as ready, bot.http.get(f"{bot.url}/livez") as live:
            assert (ready.status, live.status) == (503, 200)
        async with bot.http.get(f"{bot.status_url}/status") as response:
            body = await response.json()
            assert (response.status, body["configHash"]) == (200, "")
            assert [problem["reason"] for problem in body["problems"]] == ["ConfigUnreadable"] * 2
        assert (await bot.chat("hi")).status == 503
        write(tmp_path / "config", FIRST)
        await bot.runtime.refresh()
        async with bot.http.get(f"{bot.url}/readyz") as ready:
            assert ready.status == 200


async def test_a_running_stream_keeps_the_config_it_began_with(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(lines(delta(content="begun "), done=False))
        begun.set()
        await go_on.wait()
        await response.write(lines(delta(content="and ended"), delta("stop")))
        return response

    async with scripted(slow) as provider:
        before = config(model=ModelConfig(provider="main", name="before"), providers=provider.config())
        async with running(tmp_path, before) as bot:
            headers = {"Authorization": f"Bearer {bot.token}"}
            body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
            async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as response:
                await begun.wait()
                # The new config needs other connections, so those of the stream are given up, but not under it.
                other = provider.config(allowed_cidrs=("127.0.0.1/32",))
                write(tmp_path / "config", config(model=ModelConfig(provider="main", name="after"), providers=other))
                await bot.runtime.refresh()
                assert bot.services.bot().model_name == "after"
                go_on.set()
                text = await response.text()
    assert '"model":"before"' in text
    assert '"model":"after"' not in text
    assert "and ended" in text
    assert text.rstrip().endswith("[DONE]")


async def test_a_config_that_is_the_same_again_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, FIRST) as bot:
        before = bot.services.bot()
        write(tmp_path / "config", gzip.compress(to_json(FIRST), 1))
        await bot.runtime.refresh()
        assert bot.services.bot() is before
