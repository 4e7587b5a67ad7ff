"""As whom an API is called: what is sent, when it is renewed, and that nobody is told of it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from runtime.api_server import ApiServer, Caller, answers, api, auth, calling, echoes, hangs_up, plugin, sends

UNAVAILABLE = "The API of this tool cannot be reached at the moment."
CLIENT = {"secret_file": "secret", "client_id": "support bot", "scopes": ("orders.read", "orders.write")}


def write(secrets: Path, **files: str) -> None:
    for name, text in files.items():
        (secrets / name).write_text(text + "\n")


@pytest.mark.parametrize(
    ("kind", "fields", "header", "value"),
    [
        pytest.param("None", {}, "authorization", None, id="none"),
        pytest.param(
            "Basic",
            {"username_file": "user", "secret_file": "secret"},
            "authorization",
            "Basic " + base64.b64encode("aña:s3cret-ñ".encode()).decode(),
            id="basic",
        ),
        pytest.param("Bearer", {"secret_file": "secret"}, "authorization", "Bearer s3cret-ñ", id="bearer"),
        pytest.param("Header", {"secret_file": "secret", "header": "X-Api-Key"}, "x-api-key", "s3cret-ñ", id="header"),
    ],
)
async def test_every_kind_of_credentials_goes_where_it_belongs(
    tmp_path: Path, kind: str, fields: dict[str, Any], header: str, value: str | None
) -> None:
    write(tmp_path, user="aña", secret="s3cret-ñ")
    async with api() as server, calling(plugin(), server.connection(auth=auth(kind, **fields)), tmp_path) as call:
        assert not (await call()).is_error
        assert call.problems() == []
    assert server.seen[0].headers.get(header) == value


async def test_the_connections_own_header_goes_before_that_of_a_plugin(tmp_path: Path) -> None:
    write(tmp_path, secret="right")
    made = plugin(headers=({"name": "x-api-key", "value": "wrong"},))
    async with api() as server:
        connection = server.connection(auth=auth("Header", secret_file="secret", header="X-Api-Key"))
        async with calling(made, connection, tmp_path) as call:
            await call()
    assert server.seen[0].headers["x-api-key"] == "right"


async def test_a_new_secret_holds_from_the_next_call_on(tmp_path: Path) -> None:
    async with api() as server:
        connection = server.connection(auth=auth("Bearer", secret_file="secret"))
        async with calling(plugin(), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            [(reason, message)] = call.problems()
            assert (reason, message) == (
                "SecretMissing",
                "ApiConnection 'erp': Cannot read the file `secret`: No such file or directory.",
            )
            for secret in ("first", "second"):
                write(tmp_path, secret=secret)
                assert not (await call()).is_error
                assert call.problems() == []
            write(tmp_path, secret="two\nlines")
            assert (await call()).content == UNAVAILABLE
            assert call.problems()[0][0] == "SecretMissing"
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        pytest.param("Basic", {"username_file": "user", "secret_file": "secret"}, id="basic"),
        pytest.param("Bearer", {"secret_file": "secret"}, id="bearer"),
        pytest.param("Header", {"secret_file": "secret", "header": "X-Api-Key"}, id="header"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
async def test_an_api_that_tells_all_it_was_sent_tells_no_secret(
    tmp_path: Path, kind: str, fields: dict[str, Any], status: int
) -> None:
    write(tmp_path, user="ada", secret="s3cret-of-the-shop")

    async def tells(request: web.Request) -> web.StreamResponse:
        told = await echoes(request)
        told.set_status(status)
        return told

    async with api(tells) as server, calling(plugin(), server.connection(auth=auth(kind, **fields)), tmp_path) as call:
        said = (await call()).content
    packed = base64.b64encode(b"ada:s3cret-of-the-shop").decode()
    assert "…" in said
    assert "s3cret" not in said
    assert packed not in said


async def test_credentials_that_are_refused_are_a_problem_until_they_are_accepted(tmp_path: Path) -> None:
    write(tmp_path, secret="s3cret")
    async with api(answers({"hint": "s3cret"}, 401), answers({})) as server:
        connection = server.connection(auth=auth("Bearer", secret_file="secret"))
        async with calling(plugin(), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            assert call.problems() == [
                (
                    "LoginRefused",
                    f"ApiConnection 'erp': {server.url} does not accept the credentials of `spec.auth`.",
                )
            ]
            assert not (await call()).is_error
            assert call.problems() == []


@dataclass
class Issuer:
    """An API that accepts the newest of the tokens that its own `/token` gives out."""

    good_for: Any = 3600
    wants_form: bool = False
    secret: str = "s3cret"
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    given: int = 0
    accepted: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/token":
            is_known = request.headers.get("Authorization") == f"Bearer {self.accepted}"
            return web.json_response({"token": self.accepted}, status=200 if is_known else 401)
        form = parse_qs((await request.read()).decode())
        self.asked.append(form)
        expected = "Basic " + base64.b64encode(f"support+bot:{self.secret}".encode()).decode()
        by_header = request.headers.get("Authorization") == expected
        by_form = form.get("client_secret") == [self.secret] and form.get("client_id") == ["support bot"]
        if not (by_form if self.wants_form else by_header):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.given += 1
        self.accepted = f"token-number-{self.given}"
        token = {"access_token": self.accepted, "token_type": "bearer"}
        return web.json_response(token | ({} if self.good_for is None else {"expires_in": self.good_for}))


@asynccontextmanager
async def with_tokens(
    secrets: Path, issuer: Issuer, write_tool: bool = False
) -> AsyncIterator[tuple[Caller, ApiServer]]:
    write(secrets, secret="s3cret")
    async with api(issuer.handle) as server:
        connection = server.connection(auth=auth("OAuth2ClientCredentials", token_url=f"{server.url}/token", **CLIENT))
        async with calling(plugin(write=write_tool), connection, secrets) as call:
            yield call, server


async def test_a_token_is_fetched_once_for_many_calls(tmp_path: Path) -> None:
    issuer = Issuer()
    async with with_tokens(tmp_path, issuer) as (call, _):
        found = await asyncio.gather(*(call() for _ in range(5)))
        found.append(await call())
    assert {each.content for each in found} == {'{"token":"…"}'}
    assert issuer.asked == [{"grant_type": ["client_credentials"], "scope": ["orders.read orders.write"]}]


@pytest.mark.parametrize(
    ("good_for", "fetched"),
    [
        pytest.param(3600, 1, id="an-hour"),
        pytest.param(None, 1, id="unsaid"),
        pytest.param("3600", 1, id="as-text"),
        pytest.param("soon", 1, id="nonsense"),
        pytest.param(0, 3, id="over"),
        pytest.param(-5, 3, id="over-for-long"),
    ],
)
async def test_a_token_is_renewed_before_it_ends(tmp_path: Path, good_for: Any, fetched: int) -> None:
    issuer = Issuer(good_for)
    async with with_tokens(tmp_path, issuer) as (call, _):
        for _ in range(3):
            assert not (await call()).is_error
    assert issuer.given == fetched


async def test_a_token_that_is_refused_is_renewed_and_the_read_repeated_once(tmp_path: Path) -> None:
    issuer = Issuer()
    async with with_tokens(tmp_path, issuer) as (call, server):
        await call()
        issuer.accepted = "another"
        assert not (await call()).is_error
        assert [seen.target for seen in server.seen] == ["/token", "/orders", "/orders", "/token", "/orders"]
        assert call.problems() == []


async def test_who_refuses_every_token_is_not_asked_for_ever(tmp_path: Path) -> None:
    issuer = Issuer()

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await issuer.handle(request)
        issuer.accepted = "another"
        return answer

    write(tmp_path, secret="s3cret")
    async with api(handle) as server:
        settings = auth("OAuth2ClientCredentials", token_url=f"{server.url}/token", **CLIENT)
        async with calling(plugin(), server.connection(auth=settings), tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            assert [reason for reason, _ in call.problems()] == ["LoginRefused"]
    assert [seen.target for seen in server.seen] == ["/token", "/orders", "/token", "/orders"]


async def test_a_write_with_a_refused_token_is_not_repeated_and_the_next_call_has_a_new_one(tmp_path: Path) -> None:
    issuer = Issuer()
    async with with_tokens(tmp_path, issuer, write_tool=True) as (call, server):
        await call()
        issuer.accepted = "another"
        assert (await call()).is_error
        assert not (await call()).is_error
        assert [seen.target for seen in server.seen] == ["/token", "/orders", "/orders", "/token", "/orders"]


async def test_a_new_client_secret_brings_a_new_token(tmp_path: Path) -> None:
    issuer = Issuer()
    async with with_tokens(tmp_path, issuer) as (call, _):
        await call()
        issuer.secret = "n3w"
        write(tmp_path, secret="n3w")
        assert not (await call()).is_error
    assert issuer.given == 2


async def test_a_server_that_knows_the_form_only_is_asked_that_way_from_then_on(tmp_path: Path) -> None:
    issuer = Issuer(good_for=0, wants_form=True)
    async with with_tokens(tmp_path, issuer) as (call, _):
        for _ in range(2):
            assert not (await call()).is_error
    assert ["client_secret" in form for form in issuer.asked] == [False, True, True]


@pytest.mark.parametrize(
    ("reply", "reason", "said"),
    [
        pytest.param(answers({"error": "invalid_scope"}, 400), "TokenRefused", "invalid_scope", id="scope"),
        pytest.param(answers({"error": "invalid_client"}, 401), "TokenRefused", "invalid_client", id="client"),
        pytest.param(answers([], 403), "TokenRefused", "HTTP 403", id="403"),
        pytest.param(sends(b"<html>", "text/html"), "TokenRefused", "gives no bearer token", id="no-json"),
        pytest.param(answers({"access_token": "a\nb"}), "TokenRefused", "gives no bearer token", id="two-lines"),
        pytest.param(answers({"access_token": 7}), "TokenRefused", "gives no bearer token", id="number"),
        pytest.param(
            answers({"access_token": "a", "token_type": "mac"}),
            "TokenRefused",
            "gives no bearer token",
            id="another-kind",
        ),
        pytest.param(sends(b"x" * 70000), "TokenRefused", "a long text", id="long"),
        pytest.param(answers({}, 503), "Unreachable", "HTTP 503", id="busy"),
        pytest.param(hangs_up, "Unreachable", "ended the connection early", id="lost"),
        pytest.param(answers({}, 302, Location="http://x/"), "TokenRefused", "HTTP 302", id="redirect"),
    ],
)
async def test_without_a_token_the_api_is_not_called(tmp_path: Path, reply: Any, reason: str, said: str) -> None:
    write(tmp_path, secret="s3cret")
    async with api(reply) as server:
        settings = auth("OAuth2ClientCredentials", token_url=f"{server.url}/token", **CLIENT)
        async with calling(plugin(), server.connection(auth=settings), tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            [(found, message)] = call.problems()
    assert (found, said in message) == (reason, True), message
    assert "s3cret" not in message
    assert {seen.target for seen in server.seen} == {"/token"}


async def test_a_busy_token_server_is_asked_again(tmp_path: Path) -> None:
    issuer = Issuer()
    first = True

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal first
        if first:
            first = False
            return web.json_response({}, status=503)
        return await issuer.handle(request)

    write(tmp_path, secret="s3cret")
    async with api(handle) as server:
        settings = auth("OAuth2ClientCredentials", token_url=f"{server.url}/token", **CLIENT)
        async with calling(plugin(), server.connection(auth=settings), tmp_path) as call:
            assert not (await call()).is_error
