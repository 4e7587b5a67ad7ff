"""Proofs of work before a visitor's session: who must do one, what is one, and what a cheat is told."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.issuer import issuing, token
from runtime.support import NOW, Running, config, running, write_session_key
from smarter_crds.access_config import AccessConfig
from smarter_crds.runtime_config import BotIdentity, LimitsConfig, ServingConfig
from smarter_runtime.challenges import Challenges, claimed
from smarter_runtime.errors import ApiError
from smarter_runtime.signing_key import SigningKey

BITS = 8
PUBLIC = AccessConfig(challenge_bits=BITS)
UID = "uid-of-support"
OTHER = BotIdentity(name="other", namespace="acme", uid="uid-of-other")


def zero_bits(text: str) -> int:
    return 256 - int.from_bytes(hashlib.sha256(text.encode()).digest()).bit_length()


def solved(challenge: str, is_one: Callable[[int], bool] = lambda bits: bits >= BITS, start: int = 0) -> dict[str, str]:
    """Return what a browser sends that has done the work."""
    found = next(str(number) for number in itertools.count(start) if is_one(zero_bits(f"{challenge}:{number}")))
    return {"challenge": challenge, "solution": found}


async def posted(bot: Running, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    async with bot.http.post(f"{bot.url}/app/v1/{path}", json=body, headers={"Origin": bot.url, **headers}) as response:
        return response.status, await response.json()


async def challenge(bot: Running) -> str:
    status, given = await posted(bot, "challenge", {})
    assert status == 200
    return str(given["challenge"])


async def outcome(bot: Running, body: Any, **headers: str) -> tuple[int, str]:
    """Ask for a session; return the status, and the code of the error if there is one."""
    status, said = await posted(bot, "session", body, **headers)
    return status, said.get("error", {}).get("code", "")


@asynccontextmanager
async def challenging(
    directory: Path, clock: Callable[[], datetime] = lambda: NOW, **changes: Any
) -> AsyncIterator[Running]:
    """Serve a bot that asks for proofs, and did not when the test's own session was made."""
    document = config(**{"access": PUBLIC} | changes)
    before = document.access.model_copy(update={"challenge_bits": 0})
    async with running(directory, document.model_copy(update={"access": before}), clock) as bot:
        await bot.reload(document)
        yield bot


async def test_a_session_costs_a_proof_and_is_then_as_good_as_any(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        status, given = await posted(bot, "challenge", {})
        assert (status, set(given)) == (200, {"challenge", "difficulty", "algorithm", "expiresInSeconds"})
        assert (given["difficulty"], given["algorithm"], given["expiresInSeconds"]) == (BITS, "SHA-256", 300)
        status, session = await posted(bot, "session", solved(given["challenge"]))
        assert status == 200
        bot.token = session["token"]
        assert (await bot.chat("hi")).status == 200


async def test_without_a_proof_there_is_no_session_and_the_way_to_one_is_told(tmp_path: Path) -> None:
    bodies: tuple[Any, ...] = ({}, {"challenge": None}, {"solution": "1"})
    async with challenging(tmp_path) as bot:
        for body in bodies:
            assert await posted(bot, "session", body) == (
                403,
                {
                    "error": {
                        "message": "This chatbot asks for a proof of work; POST /app/v1/challenge gives a challenge to "
                        "solve.",
                        "type": "permission_error",
                        "param": "challenge",
                        "code": "challenge_required",
                    }
                },
            )


async def test_where_no_proof_is_asked_for_anything_is_one(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        _, given = await posted(bot, "challenge", {})
        assert given["difficulty"] == 0
        assert await outcome(bot, {"challenge": given["challenge"], "solution": "0"}) == (200, "")
        assert await outcome(bot, {"challenge": "x", "solution": "y"}) == (200, "")
        assert await outcome(bot, {"challenge": 5}) == (400, "challenge_malformed")
        # What was given out for nothing buys nothing later.
        await bot.reload(config(access=PUBLIC))
        assert await outcome(bot, {"challenge": given["challenge"], "solution": "0"}) == (400, "challenge_expired")


async def test_the_page_learns_where_the_solver_is(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        async with bot.http.get(f"{bot.url}/app/v1/config") as response:
            script = (await response.json())["proofScript"]
        async with bot.http.get(f"{bot.url}{script}") as response:
            assert "immutable" in response.headers["Cache-Control"]
            assert "onmessage" in await response.text()
        await bot.reload(config())
        async with bot.http.get(f"{bot.url}/app/v1/config") as response:
            assert (await response.json())["proofScript"] == ""


async def test_challenges_are_for_the_pages_that_get_sessions(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        status, said = await posted(bot, "challenge", {}, Origin="https://evil.example")
        assert (status, said["error"]["code"]) == (403, "foreign_origin")
        await bot.reload(config(access=AccessConfig(mode="ApiKey", challenge_bits=BITS)))
        status, said = await posted(bot, "challenge", {})
        assert (status, said["error"]["code"]) == (403, "api_key_required")


async def test_whom_a_site_vouches_for_needs_no_proof(tmp_path: Path) -> None:
    async with issuing() as issuer:
        access = AccessConfig(identity=issuer.config(), challenge_bits=BITS)
        async with challenging(tmp_path, access=access) as bot:
            assert await outcome(bot, {"identity": token()}) == (200, "")
            assert await outcome(bot, {"identity": None}) == (403, "challenge_required")
            assert await outcome(bot, {"identity": "x.y.z"}) == (401, "invalid_identity")


async def test_a_proof_buys_one_session_however_many_ask_at_once(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        proof = solved(await challenge(bot))
        found = await asyncio.gather(*(outcome(bot, proof) for _ in range(20)))
        assert sorted(found) == [(200, "")] + [(409, "challenge_used")] * 19
        # Another number that solves it too is the same challenge.
        second = solved(proof["challenge"], lambda bits: bits >= BITS, int(proof["solution"]) + 1)
        assert await outcome(bot, second) == (409, "challenge_used")
        assert await outcome(bot, {**proof, "solution": f"0{proof['solution']}"}) != (200, "")


async def test_a_proof_is_not_good_twice_where_limits_are_only_watched(tmp_path: Path) -> None:
    async with challenging(tmp_path, limits=LimitsConfig(mode="Shadow")) as bot:
        proof = solved(await challenge(bot))
        assert [await outcome(bot, proof) for _ in range(2)] == [(200, ""), (409, "challenge_used")]
        assert 'smarter_requests_total{reason="challenge_used",status="409"} 1.0' in await bot.metrics()


async def test_a_proof_that_was_refused_is_not_used_up(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        token_ = await challenge(bot)
        assert await outcome(bot, solved(token_, lambda bits: bits < BITS)) == (400, "challenge_unsolved")
        assert await outcome(bot, solved(token_)) == (200, "")


async def test_a_challenge_is_open_for_five_minutes(tmp_path: Path) -> None:
    now = NOW

    def clock() -> datetime:
        return now

    async with challenging(tmp_path, clock) as bot:
        early, late = solved(await challenge(bot)), solved(await challenge(bot))
        now += timedelta(seconds=299)
        assert await outcome(bot, early) == (200, "")
        assert await outcome(bot, early) == (409, "challenge_used")
        now += timedelta(seconds=1)
        assert await outcome(bot, early) == (400, "challenge_expired")
        assert await outcome(bot, late) == (400, "challenge_expired")
        # A clock that goes back opens nothing that was used.
        now -= timedelta(seconds=200)
        assert await outcome(bot, early) == (409, "challenge_used")


async def test_a_challenge_of_easier_times_is_over_at_once(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        easy = solved(await challenge(bot))
        await bot.reload(config(access=AccessConfig(challenge_bits=BITS + 1)))
        assert await outcome(bot, easy) == (400, "challenge_expired")
        hard = solved(await challenge(bot), lambda bits: bits >= BITS + 1)
        await bot.reload(config(access=PUBLIC))
        assert await outcome(bot, hard) == (200, "")


def remade(challenge: str, **parts: str) -> str:
    """Return the challenge with other parts, as a cheat would write it."""
    names = ("nonce", "bits", "until", "signature")
    return ".".join((dict(zip(names, challenge.split("."), strict=True)) | parts).values())


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"bits": "0"}, id="easier"),
        pytest.param({"bits": "08"}, id="the-same-number-in-another-spelling"),
        pytest.param({"nonce": "A" * 22}, id="another-nonce"),
        pytest.param({"until": "9" * 12}, id="for-ever"),
        pytest.param({"signature": "A" * 43}, id="made-up"),
    ],
)
async def test_a_forged_challenge_is_none_of_ours(tmp_path: Path, parts: dict[str, str]) -> None:
    async with challenging(tmp_path) as bot:
        forged = remade(await challenge(bot), **parts)
        assert await outcome(bot, solved(forged)) == (400, "challenge_invalid")


async def test_a_challenge_is_worth_nothing_elsewhere_or_after_its_key(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        proof = solved(await challenge(bot))
        # Pods of two bots that had, by mistake, the same key.
        await bot.reload(config(access=PUBLIC, bot=OTHER))
        assert await outcome(bot, proof) == (400, "challenge_invalid")
        await bot.reload(config(access=PUBLIC))
        write_session_key(tmp_path / "secrets", b"o" * 32)
        await bot.runtime.refresh()
        assert await outcome(bot, proof) == (400, "challenge_invalid")


async def test_a_session_is_no_challenge_and_a_challenge_no_session(tmp_path: Path) -> None:
    async with challenging(tmp_path) as bot:
        assert await outcome(bot, {"challenge": bot.token, "solution": "1"}) == (400, "challenge_malformed")
        bot.token = await challenge(bot)
        assert (await bot.chat("hi")).status == 401


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"challenge": 5}, "challenge", id="number"),
        pytest.param({"challenge": ""}, "challenge", id="empty"),
        pytest.param({"challenge": "x" * 100_000}, "challenge", id="long"),
        pytest.param({"challenge": ["x"]}, "challenge", id="list"),
        pytest.param({"solution": None}, "solution", id="no-solution"),
        pytest.param({"solution": 5}, "solution", id="solution-is-a-number"),
        pytest.param({"solution": "-1"}, "solution", id="negative"),
        pytest.param({"solution": "٣"}, "solution", id="digits-of-another-script"),
        pytest.param({"solution": "1\n"}, "solution", id="line-break"),
        pytest.param({"solution": "1" * 17}, "solution", id="solution-too-long"),
    ],
)
async def test_what_is_no_proof_at_all_is_named(tmp_path: Path, changes: dict[str, Any], param: str) -> None:
    async with challenging(tmp_path) as bot:
        status, said = await posted(bot, "session", {**solved(await challenge(bot)), **changes})
        assert (status, said["error"]["code"], said["error"]["param"]) == (400, "challenge_malformed", param)


async def test_who_mints_in_bulk_pays_for_each_and_meets_the_limit_of_the_network(tmp_path: Path) -> None:
    serving = ServingConfig(trusted_proxies=("127.0.0.0/8",), sessions_per_minute=3)
    async with challenging(tmp_path, serving=serving) as bot:
        # Challenges are free, and to hoard them helps nobody.
        hoard = [await challenge(bot) for _ in range(50)]
        assert len(set(hoard)) == 50
        address = {"X-Forwarded-For": "203.0.113.7"}
        found = [await outcome(bot, solved(each), **address) for each in hoard[:5]]
        assert found == [(200, "")] * 3 + [(429, "too_many_sessions")] * 2
        assert await outcome(bot, solved(hoard[5]), **{"X-Forwarded-For": "203.0.113.8"}) == (200, "")


async def test_what_was_used_is_forgotten_when_it_is_over(tmp_path: Path) -> None:
    now = NOW

    def clock() -> datetime:
        return now

    async with challenging(tmp_path, clock) as bot:
        for _ in range(5):
            assert await outcome(bot, solved(await challenge(bot))) == (200, "")
        held = bot.services.limits.memory._slots
        assert len(held) == 5
        now += timedelta(minutes=6)
        assert await outcome(bot, solved(await challenge(bot))) == (200, "")
        assert len(held) == 1


@pytest.mark.parametrize("bits", [8, 12])
def test_any_pod_of_a_bot_takes_the_challenges_of_the_others(tmp_path: Path, bits: int) -> None:
    write_session_key(tmp_path)
    pods = []
    for _ in range(2):
        key = SigningKey(tmp_path)
        key.refresh()
        pods.append(Challenges(key, lambda: NOW))
    made = pods[0].new(bits, UID)
    proof = solved(made.token, lambda found: found >= bits)
    assert pods[1].proven(claimed(proof), bits, UID).until_ms == int(NOW.timestamp() + 300) * 1000
    too_easy = solved(made.token, lambda found: found == bits - 1)
    with pytest.raises(ApiError, match=f"does not begin with {bits} zero bits"):
        pods[1].proven(claimed(too_easy), bits, UID)
