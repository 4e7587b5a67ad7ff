"""The chat page inside the page of another site that has a strict policy of its own, in a real browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from playwright.async_api import Browser, Page, expect

from runtime.issuer import claims, issuing, token
from runtime.support import config, plugin, running
from smarter_crds.access_config import AccessConfig, OriginsConfig
from smarter_runtime.identity import identity

PAGE = """<!doctype html><title>Shop</title><h1>Shop</h1>
<script src="/identity.js"></script><script src="{bot}/embed.js" async></script>"""
NO_STYLES = "default-src 'none'; script-src 'self' {bot}; frame-src {bot}; require-trusted-types-for 'script'"


@dataclass
class Site:
    """A site at a host of its own."""

    origin: str = ""
    bot: str = ""


@asynccontextmanager
async def shop(signed: str) -> AsyncIterator[Site]:
    app, site = web.Application(), Site()

    async def page(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": NO_STYLES.format(bot=site.bot)}
        return web.Response(text=PAGE.format(bot=site.bot), content_type="text/html", headers=headers)

    async def script(request: web.Request) -> web.Response:
        text = f"window.smarterIdentity = async () => {signed!r};"
        return web.Response(text=text, content_type="text/javascript")

    app.router.add_get("/", page)
    app.router.add_get("/identity.js", script)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        site.origin = f"http://localhost:{runner.addresses[0][1]}"
        yield site
    finally:
        await runner.cleanup()


def errors_of(page: Page) -> list[str]:
    """Return the list that the errors of the page's console come into."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    return errors


async def test_a_visitor_of_the_shop_asks_the_bot_and_is_known_to_it(browser: Browser, tmp_path: Path) -> None:
    async with issuing() as issuer, shop(token(sub="ada")) as site:
        document = config(
            plugins=(plugin(),), access=issuer.access(), origins=OriginsConfig(frame_ancestors=(site.origin,))
        )
        async with running(tmp_path, document) as bot:
            site.bot = bot.url
            page = await browser.new_page()
            errors = errors_of(page)
            sessions: list[str] = []
            page.on("request", lambda request: sessions.append(request.headers.get("authorization", "")))
            await page.goto(site.origin)
            button = page.get_by_role("button", name="Acme Support")
            await button.click()
            frame = page.frame_locator("iframe")
            question = frame.get_by_label("Your message")
            await question.fill("What is the warranty?")
            await question.press("Enter")
            await expect(frame.get_by_role("log")).to_contain_text("2 years")
            await button.click()
            await expect(page.locator("iframe")).to_be_hidden()
            await expect(button).to_have_attribute("aria-expanded", "false")
            # The session in the frame is that of the person whom the shop has vouched for.
            visitor = bot.services.sessions.visitor(next(filter(None, sessions)), "uid-of-support")
            assert visitor.identity is not None
            assert visitor.identity.id == identity(claims(sub="ada")).id
            assert [error for error in errors if "autofocus" not in error] == []


async def test_the_page_in_the_frame_does_the_work_that_a_session_costs(browser: Browser, tmp_path: Path) -> None:
    async with shop("") as site:
        document = config(plugins=(plugin(),), origins=OriginsConfig(frame_ancestors=(site.origin,)))
        async with running(tmp_path, document) as bot:
            await bot.reload(document.model_copy(update={"access": AccessConfig(challenge_bits=12)}))
            site.bot = bot.url
            page = await browser.new_page()
            errors = errors_of(page)
            await page.goto(site.origin)
            await page.get_by_role("button", name="Acme Support").click()
            frame = page.frame_locator("iframe")
            question = frame.get_by_label("Your message")
            await question.fill("What is the warranty?")
            await question.press("Enter")
            await expect(frame.get_by_role("log")).to_contain_text("2 years")
            assert [error for error in errors if "autofocus" not in error] == []


async def test_a_site_that_is_not_named_cannot_show_the_page(browser: Browser, tmp_path: Path) -> None:
    async with shop("") as site:
        document = config(origins=OriginsConfig(frame_ancestors=("https://other.example",)))
        async with running(tmp_path, document) as bot:
            site.bot = bot.url
            page = await browser.new_page()
            errors = errors_of(page)
            await page.goto(site.origin)
            await page.get_by_role("button", name="Acme Support").click()
            await expect(page.frame_locator("iframe").get_by_label("Your message")).to_have_count(0)
            assert any("frame-ancestors" in error for error in errors)
