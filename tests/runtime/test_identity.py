"""Signed identities: whom the bot believes to be somebody, and what nobody can make it believe."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.issuer import Issuer, Jwk, claims, issuing, private_key, public_jwk, rsa_key, token
from runtime.keys import TOKEN, key, put
from runtime.support import Running, config, running, says, scripted, write
from smarter_crds.access_config import AccessConfig
from smarter_runtime.errors import ApiError
from smarter_runtime.identity import Identity, identity
from smarter_runtime.identity.key_set import KeySet
from smarter_runtime.identity.tokens import verified
from smarter_runtime.sessions import Sessions, Visitor
from smarter_runtime.signing_key import SigningKey


@asynccontextmanager
async def served(directory: Path, *keys: Jwk, **access: Any) -> AsyncIterator[tuple[Running, Issuer]]:
    put(directory, key())
    async with issuing(*keys) as issuer, running(directory, config(access=issuer.access(**access))) as bot:
        yield bot, issuer


async def opened(bot: Running, bearer: str, **headers: str) -> tuple[int, str]:
    """Return what the door says to somebody."""
    sent = {"Authorization": f"Bearer {bearer}", **headers}
    async with bot.http.get(f"{bot.url}/v1/models", headers=sent) as response:
        body = await response.json()
        return response.status, body.get("error", {}).get("message", "")


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
async def test_a_signed_identity_opens_the_bot(tmp_path: Path, algorithm: str) -> None:
    async with served(tmp_path, public_jwk(private_key(algorithm))) as (bot, _):
        assert await opened(bot, token(algorithm)) == (200, "")


def unsigned(**changes: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "kid": "one"}, claims(**changes))]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])


def signed_with_the_public_key() -> str:
    """Sign with a secret that everybody knows: the public key, for whoever takes it for one."""
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "kid": "one"}, claims())
    )
    secret = json.dumps(public_jwk(rsa_key())).encode()
    mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def with_other_claims(**changes: Any) -> str:
    """Put other claims under a true signature."""
    head, _, signature = token().split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(**changes)).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        pytest.param(lambda: token(exp=int(time.time()) - 61), "it has expired", id="expired"),
        pytest.param(lambda: token(nbf=int(time.time()) + 120), "it is not valid yet", id="from-the-future"),
        pytest.param(lambda: token(aud="another-bot"), "it is for another audience", id="another-audience"),
        pytest.param(lambda: token(iss="https://evil.example"), "it is from another issuer", id="another-issuer"),
        pytest.param(lambda: token(iss="https://shop.example/"), "it is from another issuer", id="almost-the-issuer"),
        pytest.param(lambda: token(exp=None), "it lacks one of the claims", id="without-an-end"),
        pytest.param(lambda: token(aud=None), "it lacks one of the claims", id="for-nobody"),
        pytest.param(lambda: token(sub=None), "it lacks one of the claims", id="about-nobody"),
        pytest.param(lambda: token(sub=""), "its claim sub is empty", id="about-nobody-by-name"),
        pytest.param(lambda: token(key=rsa_key(2048, 1)), "its signature is wrong", id="another-key"),
        pytest.param(lambda: with_other_claims(sub="bob"), "its signature is wrong", id="other-claims"),
        pytest.param(lambda: token(kid="two"), "no key of its issuer", id="an-unknown-key"),
        pytest.param(unsigned, "its key does not sign by 'none'", id="unsigned"),
        pytest.param(signed_with_the_public_key, "its key does not sign by 'HS256'", id="signed-with-the-public-key"),
        pytest.param(lambda: token("ES256"), "its key does not sign by 'ES256'", id="another-kind-of-key"),
    ],
)
async def test_whoever_is_not_vouched_for_stays_out(tmp_path: Path, forged: Any, why: str) -> None:
    async with served(tmp_path) as (bot, _):
        status, said = await opened(bot, forged())
        assert (status, why in said) == (401, True), said
        assert said.startswith("The identity is not accepted: ")


async def test_a_key_is_used_for_its_own_algorithm_only(tmp_path: Path) -> None:
    async with served(tmp_path, public_jwk(rsa_key(), alg="RS256")) as (bot, _):
        assert await opened(bot, token("RS256")) == (200, "")
        assert (await opened(bot, token("PS256")))[0] == 401


async def test_a_weak_key_proves_nothing(tmp_path: Path) -> None:
    weak = rsa_key(1024)
    with pytest.warns(Warning, match="below"):
        signed = token(key=weak)
    async with served(tmp_path, public_jwk(weak)) as (bot, _):
        status, said = await opened(bot, signed)
        assert (status, "not fit" in said) == (401, True)


async def test_a_token_that_wants_more_than_we_know_is_refused(tmp_path: Path) -> None:
    async with issuing() as issuer:
        head = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"one","crit":["exp"]}').decode().rstrip("=")
        with pytest.raises(ApiError, match="can be read here"):
            verified(f"{head}.e30.eA", public_jwk(rsa_key()), issuer.config())


async def test_who_names_no_key_is_checked_against_the_only_one(tmp_path: Path) -> None:
    async with served(tmp_path) as (bot, _):
        assert await opened(bot, token(kid=None)) == (200, "")
    async with served(tmp_path / "two", public_jwk(rsa_key()), public_jwk(rsa_key(2048, 1), "two")) as (bot, _):
        assert (await opened(bot, token(kid=None)))[0] == 401


async def test_without_an_issuer_a_token_says_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        assert (await opened(bot, token()))[0] == 401
        status, said = await opened(bot, bot.token, **{"Smarter-Identity": token()})
        assert (status, "knows nobody" in said) == (401, True)


async def test_where_only_keys_open_the_bot_a_person_needs_a_program(tmp_path: Path) -> None:
    put(tmp_path, key())
    async with issuing() as issuer, running(tmp_path) as bot:
        write(tmp_path / "config", config(access=issuer.access(mode="ApiKey")))
        await bot.runtime.refresh()
        assert (await opened(bot, token()))[0] == 401
        assert await opened(bot, TOKEN) == (200, "")
        assert await opened(bot, TOKEN, **{"Smarter-Identity": token()}) == (200, "")
        assert (await opened(bot, TOKEN, **{"Smarter-Identity": token(aud="other")}))[0] == 401


# ---- the issuer's keys


async def test_keys_are_fetched_once_for_everybody(tmp_path: Path) -> None:
    async with served(tmp_path) as (bot, issuer):
        await asyncio.gather(*(opened(bot, token(sub=f"visitor-{number}")) for number in range(20)))
        assert issuer.asked == 1


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def status_of(keys: KeySet, id_: str = "one") -> str:
    try:
        return "known" if await keys.find(id_) else "unknown"
    except ApiError as error:
        return error.code


async def test_made_up_keys_cost_the_issuer_one_request_in_a_while() -> None:
    watch = Stopwatch()
    async with issuing() as issuer:
        keys = KeySet(issuer.config(), watch)
        for number in range(50):
            assert await status_of(keys, f"made-up-{number}") == "unknown"
        assert issuer.asked == 1
        issuer.keys.append(public_jwk(rsa_key(2048, 1), "new"))
        watch.seconds += 29
        assert await status_of(keys, "new") == "unknown"
        watch.seconds += 1
        assert await status_of(keys, "new") == "known"
        assert issuer.asked == 2
        await keys.close()


async def test_a_key_that_was_taken_back_is_not_good_for_long() -> None:
    watch = Stopwatch()
    async with issuing() as issuer:
        keys = KeySet(issuer.config(), watch)
        assert await status_of(keys) == "known"
        issuer.keys = [public_jwk(rsa_key(2048, 1), "two")]
        watch.seconds += 600
        assert await status_of(keys) == "known"
        watch.seconds += 1
        assert await status_of(keys) == "unknown"
        await keys.close()


async def test_while_the_issuer_is_away_its_keys_are_good_for_an_hour() -> None:
    watch = Stopwatch()
    async with issuing() as issuer:
        keys = KeySet(issuer.config(), watch)
        assert await status_of(keys) == "known"
        issuer.status = 500
        watch.seconds += 3600
        assert (await status_of(keys), keys.fault) == ("known", "HTTP 500")
        watch.seconds += 4
        assert await status_of(keys) == "identity_unavailable"
        assert issuer.asked == 2
        issuer.status = 200
        watch.seconds += 1
        assert (await status_of(keys), keys.fault) == ("known", "")
        await keys.close()


@pytest.mark.parametrize(
    ("status", "document", "fault"),
    [
        pytest.param(500, None, "HTTP 500", id="an-error"),
        pytest.param(302, None, "HTTP 302", id="a-redirect"),
        pytest.param(200, b"<html>", "there are no usable keys", id="no-json"),
        pytest.param(200, b"[]", "there are no usable keys", id="no-object"),
        pytest.param(200, b'{"keys": {}}', "there are no usable keys", id="no-list"),
        pytest.param(200, b'{"keys": [1, {"kty": "oct", "k": "AA"}]}', "there are no usable keys", id="a-secret"),
        pytest.param(
            200, json.dumps({"keys": [public_jwk(rsa_key(), use="enc")]}).encode(), "there are no usable keys",
            id="not-for-signatures",
        ),
        pytest.param(200, b" " * 300_000 + b"{}", "there are no usable keys", id="too-much"),
    ],
)  # fmt: skip
async def test_what_is_no_key_set_is_none_and_the_status_says_so(
    tmp_path: Path, status: int, document: bytes | None, fault: str
) -> None:
    async with served(tmp_path) as (bot, issuer):
        await bot.services.identities.close()
        issuer.status, issuer.document = status, document
        assert await opened(bot, token()) == (
            503, "Identities cannot be verified right now. Please try again in a moment."
        )  # fmt: skip
        problems = (await bot.status())["problems"]
    assert [problem["reason"] for problem in problems][-1] == "IdentityKeysMissing"
    assert fault in problems[-1]["message"]


async def test_keys_are_not_fetched_from_inside_unless_that_is_allowed(tmp_path: Path) -> None:
    async with issuing() as issuer:
        access = AccessConfig(identity=issuer.config(allowed_cidrs=()))
        async with running(tmp_path, config(access=access)) as bot:
            assert (await opened(bot, token()))[0] == 503
            problems = (await bot.status())["problems"]
        assert "127.0.0.1 is not public" in problems[-1]["message"]
        assert issuer.asked == 0


# ---- sessions of people who are known


async def minted(bot: Running, identity: Any, status: int = 200) -> dict[str, Any]:
    headers = {"Origin": bot.url}
    async with bot.http.post(f"{bot.url}/app/v1/session", json={"identity": identity}, headers=headers) as response:
        body: dict[str, Any] = await response.json()
        assert response.status == status, body
        return body


async def test_a_session_knows_whose_it_is(tmp_path: Path) -> None:
    async with served(tmp_path) as (bot, _):
        until = int(time.time()) + 300
        visitor = (await minted(bot, token(exp=until)))["token"]
        again = (await minted(bot, token(exp=until, iat=until - 305)))["token"]
        other = (await minted(bot, token(exp=until, sub="bob")))["token"]
        who = [bot.services.sessions.visitor(f"Bearer {each}", "uid-of-support") for each in (visitor, again, other)]
        assert who[0].identity is not None
        assert who[0].identity == who[1].identity
        assert who[0].identity != who[2].identity
        assert await opened(bot, visitor) == (200, "")


async def test_a_session_ends_with_the_word_of_the_site(tmp_path: Path) -> None:
    async with served(tmp_path) as (bot, _):
        body = await minted(bot, token(exp=int(time.time()) + 100))
        assert 95 <= body["expiresInSeconds"] <= 100
    sessions = Sessions(900, SigningKey(tmp_path))
    over = sessions.token(Visitor("v" * 22, Identity("identity:x", int(time.time()))), "bot")
    with pytest.raises(ApiError) as caught:
        sessions.visitor(f"Bearer {over}", "bot")
    assert caught.value.code == "session_expired"


@pytest.mark.parametrize("given", ["", "x.y.z", 5, {"sub": "ada"}], ids=str)
async def test_a_false_identity_makes_no_session(tmp_path: Path, given: Any) -> None:
    async with served(tmp_path) as (bot, _):
        error = (await minted(bot, given, 401 if isinstance(given, str) else 400))["error"]
    assert error["code"] in ("invalid_identity", "invalid_value")


def test_a_session_carries_only_the_claims_that_plugins_use() -> None:
    who = identity(claims(email="ada@shop.example", groups=["x"] * 5000)).with_claims({"email", "missing"})
    assert who.claims == {"email": "ada@shop.example"}


def test_an_identity_that_says_too_much_is_refused(tmp_path: Path) -> None:
    sessions = Sessions(900, SigningKey(tmp_path))
    with pytest.raises(ApiError, match="3000 bytes"):
        sessions.token(Visitor("v" * 22, Identity("identity:x", 1, {"email": "x" * 3000})), "bot")


async def test_conversations_belong_to_the_person_on_every_device(tmp_path: Path) -> None:
    async with issuing() as issuer, scripted(says("one"), says("two")) as script:
        document = config(access=issuer.access(), providers=script.config())
        async with running(tmp_path, document) as bot:
            for bot.token in (token(), token(sub="bob")):
                headers = {"Smarter-Conversation": "new"}
                assert (await bot.post({"messages": [{"role": "user", "content": "hi"}]}, **headers)).status == 200
            listed = []
            for bearer in (token(), (await minted(bot, token()))["token"], token(sub="carol"), await bot.session()):
                sent = {"Authorization": f"Bearer {bearer}"}
                async with bot.http.get(f"{bot.url}/app/v1/conversations", headers=sent) as response:
                    listed.append(len((await response.json())["conversations"]))
    assert listed == [1, 1, 0, 0]
