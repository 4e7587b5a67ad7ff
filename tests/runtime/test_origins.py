"""Pages of other sites: which may call the API from a browser, and which may embed the chat page."""

import json
from pathlib import Path

import pytest

from runtime.support import config, running, write
from smarter_crds.access_config import OriginsConfig
from smarter_crds.runtime_config import AppConfig
from smarter_runtime.origins import is_among

ALLOWED = OriginsConfig(allowed=("http://localhost:3000", "https://*.shop.example", "https://shop.example"))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param("https://shop.example", True, id="named"),
        pytest.param("http://localhost:3000", True, id="with-a-port"),
        pytest.param("https://www.shop.example", True, id="a-subdomain"),
        pytest.param("https://a.b.shop.example", True, id="a-subdomain-of-a-subdomain"),
        pytest.param("http://shop.example", False, id="another-scheme"),
        pytest.param("https://shop.example:8443", False, id="another-port"),
        pytest.param("https://evilshop.example", False, id="a-look-alike"),
        pytest.param("https://shop.example.evil.example", False, id="another-end"),
        pytest.param("https://evil.example/.shop.example", False, id="a-path"),
        pytest.param("https://shopxexample", False, id="a-dot-is-a-dot"),
        pytest.param("null", False, id="null"),
        pytest.param("", False, id="none"),
    ],
)
async def test_only_pages_that_are_named_may_call(tmp_path: Path, origin: str, expected: bool) -> None:
    assert is_among(origin, ALLOWED.allowed) is expected
    async with running(tmp_path, config(origins=ALLOWED)) as bot:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked |= {"Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang"}
        async with bot.http.options(f"{bot.url}/v1/chat/completions", headers=asked) as preflight:
            assert (preflight.headers.get("Access-Control-Allow-Origin") == origin) is expected
        sent = {"Origin": origin}
        async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=sent) as response:
            assert response.status == (200 if expected else 403)


async def test_a_page_reads_answers_and_errors_and_what_their_headers_say(tmp_path: Path) -> None:
    async with running(tmp_path, config(origins=ALLOWED)) as bot:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        for token, status in ((bot.token, 200), ("x", 401)):
            headers = {"Origin": "https://shop.example", "Authorization": f"Bearer {token}"}
            async with bot.http.post(f"{bot.url}/v1/chat/completions", json=body, headers=headers) as response:
                assert response.status == status
                assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
                assert response.headers["Access-Control-Allow-Credentials"] == "true"
                assert "Smarter-Conversation" in response.headers["Access-Control-Expose-Headers"]
                assert "Origin" in response.headers["Vary"]


async def test_the_page_itself_and_bots_that_name_nobody_are_closed_to_others(tmp_path: Path) -> None:
    async with running(tmp_path, config(origins=ALLOWED)) as bot:
        headers = {"Origin": "https://shop.example"}
        async with bot.http.get(f"{bot.url}/", headers=headers) as page:
            assert "Access-Control-Allow-Origin" not in page.headers
        write(tmp_path / "config", config())
        await bot.runtime.refresh()
        async with bot.http.get(f"{bot.url}/app/v1/config", headers=headers) as closed:
            assert "Access-Control-Allow-Origin" not in closed.headers


async def test_sites_that_are_named_may_embed_the_page(tmp_path: Path) -> None:
    origins = OriginsConfig(frame_ancestors=("https://*.shop.example", "https://shop.example"))
    app = AppConfig(title='Acme "</script>"', assistant_name="Ada", disclosure="An AI.")
    async with running(tmp_path, config(origins=origins, app=app)) as bot:
        async with bot.http.get(bot.url) as page:
            policy = page.headers["Content-Security-Policy"]
            assert "frame-ancestors 'self' https://*.shop.example https://shop.example;" in policy
            assert "X-Frame-Options" not in page.headers
        async with bot.http.get(f"{bot.url}/embed.js") as script:
            assert script.headers["Content-Type"].startswith("text/javascript")
            first = (await script.text()).split(";\n")[0].removeprefix("const SMARTER = ")
            assert json.loads(first) == {"title": 'Acme "</script>"', "color": "#1f5fbf", "onColor": "#fff"}


async def test_nobody_else_may(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        async with bot.http.get(bot.url) as page:
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            assert page.headers["X-Frame-Options"] == "DENY"
        async with bot.http.get(f"{bot.url}/embed.js") as script:
            assert script.status == 404
            assert "frameAncestors" in (await script.json())["error"]["message"]
