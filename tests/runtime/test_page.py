"""The chat page: what it is made of, and what protects it."""

import json
from pathlib import Path

import pytest

from runtime.support import Running, config, running
from smarter_crds.runtime_config import AppConfig, ThemeConfig
from smarter_runtime.page import page

SKIN = AppConfig(
    title="Acme <b>Support</b>",
    assistant_name="Ada",
    welcome_message="Hello <script>alert(1)</script>",
    example_prompts=("Where is my order?",),
    placeholder="Ask away",
    info_url="https://acme.example/help",
    logo_url="https://cdn.acme.example/logo.svg",
    background_image_url='https://img.acme.example:8443/b".webp',
    disclosure="You are talking to an AI.",
    theme=ThemeConfig(primary_color="#0b5fff", color_scheme="Dark"),
)


async def fetched(bot: Running, path: str) -> tuple[str, dict[str, str]]:
    async with bot.http.get(f"{bot.url}{path}") as response:
        assert response.status == 200
        return await response.text(), dict(response.headers)


async def test_the_page_has_no_inline_code_and_a_policy_that_forbids_it(tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN)) as bot:
        html, headers = await fetched(bot, "/")
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data: https://cdn.acme.example https://img.acme.example:8443; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "<title>Acme &lt;b&gt;Support&lt;/b&gt;</title>" in html
    assert "style=" not in html
    assert html.count("<script") == html.count('<script type="module" src="/app/assets/chat.js')


async def test_the_page_knows_what_is_public_and_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN)) as bot:
        text, _ = await fetched(bot, "/app/v1/config")
    settings = json.loads(text)
    assert settings["welcomeMessage"] == SKIN.welcome_message
    assert settings["examplePrompts"] == ["Where is my order?"]
    assert settings["maxPromptCharacters"] == 8000
    assert "You are the support assistant" not in text
    assert set(settings) == {
        "title", "assistantName", "welcomeMessage", "examplePrompts", "placeholder", "infoUrl", "logoUrl",
        "backgroundImageUrl", "disclosure", "theme", "name", "model", "language", "maxPromptCharacters",
        "maintenanceMessage", "accessMessage", "asksIdentity", "proofScript", "fileAttachment", "retentionDays",
    }  # fmt: skip


def themed(**app: object) -> str:
    return page(config(app=SKIN.model_copy(update=app))).theme_css.decode()


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        pytest.param("#0b5fff", "--primary:#0b5fff;--on-primary:#fff", id="dark"),
        pytest.param("#ffe600", "--primary:#ffe600;--on-primary:#000", id="light"),
        pytest.param("#fff", "--primary:#fff;--on-primary:#000", id="short"),
        pytest.param("red;}body{display:none", "--primary:#1f5fbf", id="no-colour"),
        pytest.param("", "--primary:#1f5fbf", id="none"),
    ],
)
def test_only_colours_get_into_the_style_sheet(color: str, expected: str) -> None:
    assert expected in themed(theme=ThemeConfig(primary_color=color))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param('https://a.example/b".webp', 'url("https://a.example/b%22.webp")', id="quote"),
        pytest.param("https://a.example/b) }", 'url("https://a.example/b%29%20%7D")', id="bracket"),
        pytest.param("javascript:alert(1)", "--backdrop:none", id="script"),
        pytest.param("https://a.example;b/", "--backdrop:none", id="host-with-a-semicolon"),
        pytest.param("https://[::", "--backdrop:none", id="broken"),
        pytest.param("", "--backdrop:none", id="none"),
    ],
)
def test_only_addresses_get_into_the_style_sheet(url: str, expected: str) -> None:
    assert expected in themed(background_image_url=url)


@pytest.mark.parametrize(
    ("scheme", "css"),
    [("Auto", "color-scheme:light dark"), ("Light", "color-scheme:light;"), ("Dark", "color-scheme:dark")],
)
def test_the_colour_scheme_is_the_visitors_or_the_bots(scheme: str, css: str) -> None:
    assert css in themed(theme=ThemeConfig.model_validate({"colorScheme": scheme}))


async def test_files_can_be_kept_for_ever_under_their_version(tmp_path: Path) -> None:
    async with running(tmp_path, config()) as bot:
        html, _ = await fetched(bot, "/")
        for name in ("chat.js", "chat.css"):
            path = f"/app/assets/{name}"
            version = html.partition(f"{path}?v=")[2][:16]
            assert "immutable" in (await fetched(bot, f"{path}?v={version}"))[1]["Cache-Control"]
            assert (await fetched(bot, f"{path}?v=old"))[1]["Cache-Control"] == "no-cache"
        async with bot.http.get(f"{bot.url}/app/assets/index.html") as response:
            assert response.status == 404
