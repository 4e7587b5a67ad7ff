"""API keys at the runtime: who gets in with one, and how soon nobody does any more."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openai import AuthenticationError

from runtime.keys import TOKEN, key, put
from runtime.support import NOW, Running, config, running, write
from smarter_crds.access_config import AccessConfig
from smarter_crds.keys_config import KeyConfig, KeyDigest, keys_hash, keys_to_json
from smarter_runtime.api_keys import Keyring

KEY_ONLY = AccessConfig(mode="ApiKey", notice="I answer only programs <b>with</b> a key.")
HOUR = timedelta(hours=1)


async def status_of(bot: Running, token: str) -> tuple[int, str]:
    async with bot.http.get(f"{bot.url}/v1/models", headers={"Authorization": f"Bearer {token}"}) as response:
        body = await response.json()
        return response.status, body.get("error", {}).get("code", "")


@pytest.mark.parametrize("access", [pytest.param(AccessConfig(), id="public"), pytest.param(KEY_ONLY, id="keys-only")])
async def test_the_sdk_gets_an_answer_with_a_key(tmp_path: Path, access: AccessConfig) -> None:
    put(tmp_path, key())
    async with running(tmp_path) as bot:
        write(tmp_path / "config", config(access=access))
        await bot.runtime.refresh()
        async with bot.client(TOKEN) as client:
            answer = await client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content
        assert (await bot.status())["keys"] == 1
        assert "smarter_api_keys 1.0" in await bot.metrics()


async def test_a_key_works_beside_the_sessions_of_visitors(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config()) as bot:
        assert await status_of(bot, TOKEN) == (200, "")
        assert await status_of(bot, bot.token) == (200, "")
        assert await status_of(bot, "sk-of-somebody-else") == (401, "invalid_session")


@pytest.mark.parametrize(
    ("held", "token", "code"),
    [
        pytest.param(key(), TOKEN, "", id="valid"),
        pytest.param(key(), TOKEN + "a", "invalid_api_key", id="another-token"),
        pytest.param(key("made elsewhere"), "made elsewhere", "", id="of-any-form"),
        pytest.param(key(disabled=True), TOKEN, "api_key_disabled", id="disabled"),
        pytest.param(key(expires_at=NOW), TOKEN, "api_key_expired", id="expires-now"),
        pytest.param(key(expires_at=NOW + HOUR), TOKEN, "", id="expires-later"),
        pytest.param(key(not_after=NOW - HOUR), TOKEN, "api_key_expired", id="digest-is-over"),
        pytest.param(key(not_after=NOW + HOUR, expires_at=NOW - HOUR), TOKEN, "api_key_expired", id="key-is-over"),
    ],
)
async def test_a_key_is_told_why_it_is_refused(tmp_path: Path, held: KeyConfig, token: str, code: str) -> None:
    put(tmp_path, held)
    async with running(tmp_path, config()) as bot:
        assert await status_of(bot, token) == ((401, code) if code else (200, ""))


async def test_two_tokens_of_one_key_overlap(tmp_path: Path) -> None:
    new = key("new").digests[0]
    old = KeyDigest(sha256=key("old").digests[0].sha256, not_after=NOW + HOUR)
    put(tmp_path, key(digests=(new, old)))
    async with running(tmp_path, config()) as bot:
        assert [await status_of(bot, token) for token in ("new", "old")] == [(200, ""), (200, "")]


async def test_a_key_ends_by_the_clock_alone(tmp_path: Path) -> None:
    now = [NOW]
    put(tmp_path, key(expires_at=NOW + HOUR))
    async with running(tmp_path, config(), clock=lambda: now[0]) as bot:
        assert await status_of(bot, TOKEN) == (200, "")
        now[0] = NOW + HOUR
        assert await status_of(bot, TOKEN) == (401, "api_key_expired")


async def test_the_sdk_is_told_in_openais_shape_that_a_key_was_taken_back(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config()) as bot, bot.client(TOKEN) as client:
        await client.models.list()
        document = put(tmp_path)
        await bot.runtime.refresh()
        with pytest.raises(AuthenticationError) as caught:
            await client.models.list()
        assert (await bot.status())["keysHash"] == keys_hash(document)
    body = caught.value.body
    assert isinstance(body, dict)
    assert (body["type"], body["code"], body["param"]) == ("authentication_error", "invalid_api_key", None)
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"


async def until(bot: Running, status: int) -> None:
    found = 0
    while found != status:
        found, _ = await status_of(bot, TOKEN)


async def test_the_watcher_sees_a_revocation_by_itself(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config(), config_poll_seconds=1000, api_port=0, status_port=0) as bot:
        served = asyncio.create_task(bot.runtime.run())

        for keys, status in ((), 401), ((key(),), 200), ((), 401):
            put(tmp_path, *keys)
            async with asyncio.timeout(10):
                await until(bot, status)
        bot.runtime.stop()
        await served


async def test_where_only_keys_open_the_bot_visitors_are_refused_and_the_page_says_so(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config()) as bot:
        session = bot.token
        write(tmp_path / "config", config(access=KEY_ONLY))
        await bot.runtime.refresh()
        assert await status_of(bot, session) == (401, "invalid_api_key")
        async with bot.http.get(f"{bot.url}/v1/models") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (401, "missing_api_key")
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers={"Origin": bot.url}) as response:
            error = (await response.json())["error"]
            assert (response.status, error["code"], error["message"]) == (403, "api_key_required", KEY_ONLY.notice)
        async with bot.http.get(f"{bot.url}/") as response:
            assert "I answer only programs &lt;b&gt;with&lt;/b&gt; a key." in await response.text()
        async with bot.http.get(f"{bot.url}/app/v1/config") as response:
            assert (await response.json())["accessMessage"] == KEY_ONLY.notice


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no json", id="no-json"),
        pytest.param(b'{"keys": [{"name": "x"}]}', id="incomplete"),
        pytest.param(b'{"schemaVersion": 2, "keys": []}', id="too-new"),
    ],
)
async def test_a_file_that_is_not_understood_opens_nothing_and_is_reported(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config()) as bot:
        write(tmp_path / "config", content, "keys")
        await bot.runtime.refresh()
        assert await status_of(bot, TOKEN) == (401, "invalid_api_key")
        status = await bot.status()
    assert [problem["reason"] for problem in status["problems"]] == ["KeysInvalid"]
    assert (status["keys"], status["keysHash"]) == (0, "")


async def test_neither_status_nor_metrics_nor_page_show_a_digest(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with running(tmp_path, config()) as bot:
        shown = str(await bot.status()) + await bot.metrics()
        async with bot.http.get(f"{bot.url}/app/v1/config") as response:
            shown += await response.text()
    assert key().digests[0].sha256[:12] not in shown


def test_every_one_of_many_keys_is_found_and_no_other() -> None:
    ring = Keyring(keys=tuple(key(f"token-{number}", f"key-{number}") for number in range(3000)))
    for number in (0, 1, 1234, 2999):
        found = ring.find(f"token-{number}")
        assert found is not None
        assert found[1].name == f"key-{number}"
    assert ring.find("token-3000") is None


def test_the_document_is_the_same_whatever_the_order() -> None:
    ends = datetime(2029, 1, 1, tzinfo=UTC)
    one, other = key(name="a", expires_at=ends), key("b", name="b")
    assert keys_to_json((one, other)) == keys_to_json((other, one))
    assert b'"expiresAt":"2029-01-01T00:00:00Z"' in keys_to_json((one,))
