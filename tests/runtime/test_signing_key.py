"""One key for all pods of a bot, over restarts and while it is replaced."""

from pathlib import Path

import pytest

from runtime.support import config, running, write_session_key
from smarter_runtime.signing_key import SigningKey

OTHER = b"o" * 32


async def test_a_session_of_one_pod_is_good_at_another_and_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path / "one", config()) as one, running(tmp_path / "two", config()) as two:
        token = one.token
        response = await two.post({"messages": [{"role": "user", "content": "hi"}]}, Authorization=f"Bearer {token}")
        assert response.status == 200
        # Providers know a visitor by the same name, whichever pod asks.
        assert one.services.sessions.pseudonym("v") == two.services.sessions.pseudonym("v")
    async with running(tmp_path / "one", config()) as again:
        response = await again.post({"messages": [{"role": "user", "content": "hi"}]}, Authorization=f"Bearer {token}")
        assert response.status == 200


async def test_a_new_key_ends_the_sessions_of_the_old_one_without_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        old = bot.token
        write_session_key(tmp_path / "secrets", OTHER)
        await bot.runtime.refresh()
        response = await bot.post({"messages": [{"role": "user", "content": "hi"}]}, Authorization=f"Bearer {old}")
        assert response.status == 401
        bot.token = await bot.session()
        assert (await bot.chat("hi")).status == 200
        assert (await bot.status())["problems"] == []


async def test_while_its_file_is_gone_the_key_stays_in_use_and_the_pod_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        (tmp_path / "secrets" / "session-key").unlink()
        await bot.runtime.refresh()
        assert (await bot.chat("hi")).status == 200
        [problem] = (await bot.status())["problems"]
        assert problem["reason"] == "SessionKeyMissing"
        write_session_key(tmp_path / "secrets")
        await bot.runtime.refresh()
        assert (await bot.status())["problems"] == []
        assert (await bot.chat("hi")).status == 200, "it was the same key"


def test_pods_without_the_file_have_keys_of_their_own(tmp_path: Path) -> None:
    one, two = SigningKey(tmp_path), SigningKey(tmp_path)
    assert (one.refresh(), one.refresh()) == (True, False)
    two.refresh()
    assert one.derived("session") != two.derived("session")
    assert [problem.reason for problem in (*one.problems, *two.problems)] == ["SessionKeyMissing"] * 2
    write_session_key(tmp_path)
    assert (one.refresh(), two.refresh(), one.problems) == (True, True, ())
    assert one.derived("session") == two.derived("session") != one.derived("cookie")


def test_a_key_that_is_too_short_is_not_used_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = SigningKey(tmp_path)
    write_session_key(tmp_path, b"guessable")
    before = key.derived("session")
    key.refresh()
    [problem] = key.problems
    assert (problem.reason, "9 bytes" in problem.message) == ("SessionKeyInvalid", True)
    assert key.derived("session") == before
    assert "guessable" not in caplog.text + problem.message
