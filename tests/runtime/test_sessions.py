"""Who may call the API, and how a visitor gets to."""

from pathlib import Path

import pytest

from runtime.support import config, running
from smarter_crds.runtime_config import BotIdentity
from smarter_runtime.errors import ApiError
from smarter_runtime.sessions import Sessions, Visitor, known_or_new
from smarter_runtime.signing_key import SigningKey

HOSTS = ("support.acme.example",)


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("Bearer", id="empty"),
        pytest.param("Basic dXNlcjpwYXNz", id="another-scheme"),
        pytest.param("Bearer sk-123", id="made-up"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models")])
async def test_nobody_gets_in_without_a_session(
    tmp_path: Path, authorization: str | None, method: str, path: str
) -> None:
    async with running(tmp_path, config()) as bot:
        headers = {"Authorization": authorization} if authorization else {}
        async with bot.http.request(method, f"{bot.url}{path}", headers=headers) as response:
            error = (await response.json())["error"]
            assert (response.status, error["type"]) == (401, "authentication_error")
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert "/app/v1/session" in error["message"]


def code_of(sessions: Sessions, token: str, bot: str = "bot") -> str:
    with pytest.raises(ApiError) as caught:
        sessions.visitor(f"Bearer {token}", bot)
    return caught.value.code


def test_tokens_are_good_for_their_bot_and_key_only(tmp_path: Path) -> None:
    sessions = Sessions(900, SigningKey(tmp_path))
    visitor = Visitor("x" * 22)
    token = sessions.token(visitor, "bot")
    assert sessions.visitor(f"Bearer {token}", "bot") == visitor
    assert sessions.visitor(f"bearer {token} ", "bot") == visitor
    assert code_of(sessions, token, "another-bot") == "invalid_session"
    assert code_of(Sessions(900, SigningKey(tmp_path)), token) == "invalid_session"
    payload, _, rest = token.partition(".")
    assert code_of(sessions, f"{'y' * 22}.{rest}") == "invalid_session"
    assert code_of(sessions, payload) == "invalid_session"


def test_a_token_is_over_after_its_time(tmp_path: Path) -> None:
    key = SigningKey(tmp_path)
    token = Sessions(900, key).token(Visitor("v"), "bot")
    assert code_of(Sessions(-1, key), token) == "session_expired"


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        pytest.param("http://{own}", "{own}", 200, id="own-page"),
        pytest.param("https://support.acme.example", "{own}", 200, id="configured-host"),
        pytest.param("https://SUPPORT.acme.example", "support.acme.example", 200, id="capitals"),
        pytest.param("https://evil.example", "{own}", 403, id="foreign"),
        pytest.param("https://support.acme.example.evil.example", "{own}", 403, id="look-alike"),
        pytest.param("null", "{own}", 403, id="null"),
        pytest.param(None, "{own}", 403, id="none"),
        pytest.param("ftp://{own}", "{own}", 403, id="another-scheme"),
    ],
)
async def test_sessions_are_for_the_bots_own_page(tmp_path: Path, origin: str | None, host: str, status: int) -> None:
    async with running(tmp_path, config(hosts=HOSTS)) as bot:
        own = bot.url.removeprefix("http://")
        headers = {"Host": host.format(own=own)} | ({"Origin": origin.format(own=own)} if origin else {})
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=headers) as response:
            assert response.status == status


async def test_a_session_is_json_and_is_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        headers = {"Origin": bot.url}
        async with bot.http.post(f"{bot.url}/app/v1/session", data="{}", headers=headers) as response:
            assert response.status == 415
        async with bot.http.post(f"{bot.url}/app/v1/session", json=[], headers=headers) as response:
            assert response.status == 400
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=headers) as response:
            assert response.headers["Cache-Control"] == "no-store"
            body = await response.json()
    assert set(body) == {"token", "expiresInSeconds"}
    assert body["expiresInSeconds"] == 900


@pytest.mark.parametrize(
    ("scheme", "name", "parts"),
    [
        pytest.param(
            "https",
            "__Host-smarter-visitor",
            {"Path=/", "HttpOnly", "Secure", "SameSite=None", "Partitioned"},
            id="https",
        ),
        pytest.param("http", "smarter-visitor", {"Path=/", "HttpOnly", "SameSite=Lax"}, id="http"),
    ],
)
async def test_the_cookie_fits_the_scheme_and_names_the_same_visitor_again(
    tmp_path: Path, scheme: str, name: str, parts: set[str]
) -> None:
    async with running(tmp_path, config(hosts=HOSTS)) as bot:
        bot.http.cookie_jar.clear()
        headers = {"Origin": f"{scheme}://support.acme.example"}
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=headers) as response:
            first, *attributes = response.headers["Set-Cookie"].split("; ")
        again = {**headers, "Cookie": first}
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=again) as response:
            assert response.headers["Set-Cookie"].split("; ")[0] == first
            token = (await response.json())["token"]
        visitor = bot.services.sessions.visitor(f"Bearer {token}", "uid-of-support")
    assert first == f"{name}={visitor.id}"
    assert {each for each in attributes if not each.startswith("Max-Age")} == parts


@pytest.mark.parametrize("cookie", [None, "", "short", "x" * 500, "a b" * 7 + "c", "ä" * 22])
def test_a_cookie_that_is_none_of_ours_is_replaced(cookie: str | None) -> None:
    visitor = known_or_new(cookie)
    assert visitor.id != cookie
    assert len(visitor.id) == 22
    assert visitor.id != known_or_new(cookie).id


async def test_the_bot_says_who_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, config(bot=BotIdentity(name="b", namespace="n", uid="u-7"))) as bot:
        response = await bot.http.get(f"{bot.url}/.well-known/smarter")
        assert await response.json() == {"uid": "u-7"}
