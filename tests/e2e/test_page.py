"""The chat page as people use it, in a real browser."""

from pathlib import Path

from playwright.async_api import Browser, FilePayload, Page, expect

from runtime.support import Running, config, played, plugin, running, says, write, write_session_key
from smarter_crds.access_config import AccessConfig
from smarter_crds.runtime_config import AppConfig, LimitsConfig, MaintenanceConfig, ModelConfig, RuntimeConfig

SKIN = AppConfig(
    title="Acme Support",
    assistant_name="Ada",
    welcome_message="Hello <img src=x>",
    example_prompts=("How long can I return boots?",),
    placeholder="Ask away",
    disclosure="You are talking to an AI.",
)


async def opened(browser: Browser, bot: Running) -> tuple[Page, list[str]]:
    """Open the chat page; returns it with the errors that its console will have shown."""
    errors: list[str] = []
    page = await browser.new_page(color_scheme="dark")
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(bot.url)
    return page, errors


async def test_a_visitor_asks_stops_and_asks_again(browser: Browser, tmp_path: Path) -> None:
    model = ModelConfig(provider="main", name="demo-slow")
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),), model=model)) as bot:
        page, errors = await opened(browser, bot)
        await expect(page).to_have_title("Acme Support")
        await expect(page.get_by_text("Hello <img src=x>")).to_be_visible()
        await expect(page.get_by_text("You are talking to an AI.")).to_be_visible()
        await page.get_by_role("button", name="How long can I return boots?").click()
        await expect(page.get_by_role("status")).to_contain_text("14 days")
        await expect(page.get_by_role("log")).to_contain_text("14 days")
        question = page.get_by_label("Your message")
        await question.fill("Do you like umbrellas?")
        await question.press("Enter")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_have_text("Stopped.")
        await question.fill("What is the warranty?")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("status")).to_contain_text("2 years")
        await page.get_by_role("button", name="New chat").click()
        await expect(page.get_by_role("log")).not_to_contain_text("2 years")
        assert errors == []


async def test_a_lost_session_is_renewed_and_a_failure_can_be_tried_again(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        page, _ = await opened(browser, bot)
        question = page.get_by_label("Your message")
        await question.fill("What is the warranty?")
        await question.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("2 years")
        # As when somebody has deleted the Secret with the key: the tokens of before are void.
        write_session_key(tmp_path / "secrets", b"o" * 32)
        write(tmp_path / "config", config(app=SKIN, limits=LimitsConfig(tokens_per_day=1)))
        await bot.runtime.refresh()
        await question.fill("And boots?")
        await question.press("Enter")
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("answered enough for today")
        write(tmp_path / "config", config(app=SKIN, plugins=(plugin(),)))
        await bot.runtime.refresh()
        await alert.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("status")).to_contain_text("14 days")
        await expect(alert).to_have_count(0)


async def test_a_page_that_is_open_learns_of_maintenance_and_of_its_end(browser: Browser, tmp_path: Path) -> None:
    answering = config(app=SKIN, plugins=(plugin(),))
    async with running(tmp_path, answering) as bot:
        page, _ = await opened(browser, bot)
        await page.clock.install()
        question = page.get_by_label("Your message")
        write(tmp_path / "config", answering.model_copy(update={"maintenance": MaintenanceConfig(message="Back <b>9")}))
        await bot.runtime.refresh()
        await question.fill("What is the warranty?")
        await question.press("Enter")
        await expect(page.get_by_role("main")).to_contain_text("Back <b>9")
        await expect(question).to_be_hidden()
        await page.reload()
        await expect(page.get_by_role("main")).to_contain_text("Back <b>9")
        await expect(question).to_be_hidden()
        await expect(page.get_by_role("button", name="How long can I return boots?")).to_have_count(0)
        write(tmp_path / "config", answering)
        await bot.runtime.refresh()
        await page.clock.run_for(25_000)
        await expect(question).to_be_visible()
        await page.get_by_role("button", name="How long can I return boots?").click()
        await expect(page.get_by_role("log")).to_contain_text("14 days")


def proving(bits: int) -> RuntimeConfig:
    return config(app=SKIN, plugins=(plugin(),), access=AccessConfig(challenge_bits=bits))


async def test_a_visitor_proves_to_be_no_robot_and_is_answered(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        await bot.reload(proving(12))
        page, errors = await opened(browser, bot)
        minted: list[int] = []
        page.on("response", lambda got: minted.append(got.status) if got.url.endswith("/app/v1/session") else None)
        # Begins while the question is being written.
        async with page.expect_response("**/app/v1/session"):
            await page.get_by_label("Your message").press_sequentially("What")
        await page.get_by_role("button", name="How long can I return boots?").click()
        await expect(page.get_by_role("status")).to_contain_text("14 days")
        assert minted == [200]
        # The key has changed, and more is asked for: the session is renewed with another proof.
        write_session_key(tmp_path / "secrets", b"o" * 32)
        await bot.reload(proving(13))
        question = page.get_by_label("Your message")
        await question.fill("What is the warranty?")
        await question.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("2 years")
        assert minted == [200, 200]
        assert [error for error in errors if "401" not in error] == []


async def test_a_page_that_is_open_learns_that_proofs_are_asked_for(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        page, _ = await opened(browser, bot)
        await bot.reload(proving(12))
        await page.get_by_role("button", name="How long can I return boots?").click()
        await expect(page.get_by_role("status")).to_contain_text("14 days")


async def test_the_page_says_that_it_computes_and_can_be_stopped(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        await bot.reload(proving(12))
        page, errors = await opened(browser, bot)
        # More bits than the solver looks at: it never finds them.
        await page.route("**/app/v1/challenge", lambda route: route.fulfill(json={"challenge": "x", "difficulty": 33}))
        await page.get_by_role("button", name="How long can I return boots?").click()
        await expect(page.get_by_role("log")).to_contain_text("your browser is showing that you are no robot")
        await expect(page.get_by_role("status")).to_contain_text("no robot")
        await page.get_by_label("Your message").press_sequentially("The page goes on working")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("status")).to_have_text("Stopped.")
        await expect(page.get_by_role("log")).not_to_contain_text("no robot")
        assert errors == []


async def ask(page: Page, text: str, answer: str) -> None:
    question = page.get_by_label("Your message")
    await question.fill(text)
    await question.press("Enter")
    await expect(page.get_by_role("log")).to_contain_text(answer)


async def test_a_conversation_survives_a_reload_and_goes_on(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        page, errors = await opened(browser, bot)
        await ask(page, "What is the warranty?", "2 years")
        await page.reload()
        log = page.get_by_role("log")
        await expect(log).to_contain_text("What is the warranty?")
        await expect(log).to_contain_text("2 years")
        await ask(page, "How long can I return boots?", "14 days")
        await page.reload()
        await expect(log.locator(".bubble")).to_have_count(4)
        assert errors == []


async def test_earlier_conversations_can_be_opened_and_deleted(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        page, errors = await opened(browser, bot)
        log, panel = page.get_by_role("log"), page.get_by_role("dialog")
        await ask(page, "What <b>is</b> the warranty?", "2 years")
        await page.get_by_role("button", name="New chat").click()
        await expect(page.get_by_text("Hello <img src=x>")).to_be_visible()
        await ask(page, "How long can I return boots?", "14 days")
        await page.get_by_role("button", name="Chats", exact=True).click()
        await expect(panel.get_by_role("listitem")).to_have_count(2)
        await expect(panel.get_by_text("Chats are deleted 30 days after their last message.")).to_be_visible()
        await panel.get_by_text("What <b>is</b> the warranty?").click()
        await expect(log).to_contain_text("2 years")
        await expect(log).not_to_contain_text("14 days")
        await page.get_by_role("button", name="Chats", exact=True).click()
        await panel.get_by_role("button", name="Delete: What <b>is</b> the warranty?").click()
        await panel.get_by_role("button", name="Really delete?").click()
        await expect(panel.get_by_role("listitem")).to_have_count(1)
        await panel.get_by_role("button", name="Close").click()
        await expect(page.get_by_text("Hello <img src=x>")).to_be_visible()
        await page.get_by_role("button", name="Chats", exact=True).click()
        await panel.get_by_role("button", name="Delete all chats").click()
        await panel.get_by_role("button", name="Really delete?").click()
        await expect(panel.get_by_text("There are no earlier chats.")).to_be_visible()
        assert errors == []
        assert await bot.services.keeping.embedded_conversations.count() == 0


async def test_on_a_narrow_screen_everything_fits_and_has_a_name(browser: Browser, tmp_path: Path) -> None:
    skin = SKIN.model_copy(update={"info_url": "https://acme.example/help", "title": "Acme Outdoor and Shoe Support"})
    async with running(tmp_path, config(app=skin, plugins=(plugin(),), language="de")) as bot:
        page, _ = await opened(browser, bot)
        await page.set_viewport_size({"width": 320, "height": 568})
        await page.get_by_label("Ihre Nachricht").fill("Which warranty? " + "x" * 80)
        await page.get_by_role("button", name="Senden").click()
        await expect(page.get_by_role("button", name="Neues Gespräch")).to_be_visible()
        for button in ("Neues Gespräch", "Gespräche"):
            box = await page.get_by_role("button", name=button, exact=True).bounding_box()
            assert box and box["x"] + box["width"] <= 320 and min(box["width"], box["height"]) >= 44
        await page.get_by_role("button", name="Gespräche", exact=True).click()
        await expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(1)
        await page.get_by_role("button", name="Löschen: Which warranty?").click()
        await expect(page.get_by_role("button", name="Wirklich löschen?")).to_be_in_viewport()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_a_conversation_that_is_gone_begins_anew(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN, plugins=(plugin(),))) as bot:
        page, _ = await opened(browser, bot)
        await ask(page, "What is the warranty?", "2 years")
        await bot.services.keeping.conversations.expire(bot.services.now_ms() + 1, 10)
        question = page.get_by_label("Your message")
        await question.fill("And boots?")
        await question.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("This chat has been deleted.")
        await page.reload()
        await expect(page.get_by_text("Hello <img src=x>")).to_be_visible()
        await ask(page, "How long can I return boots?", "14 days")


async def test_a_visitor_attaches_text_files_to_a_question(browser: Browser, tmp_path: Path) -> None:
    skin = SKIN.model_copy(update={"file_attachment": True})
    limits = LimitsConfig(max_prompt_characters=200)
    async with played(tmp_path, says("I have read it."), app=skin, limits=limits) as (bot, provider):
        page, errors = await opened(browser, bot)
        attach = page.locator("#files")
        await expect(page.get_by_role("button", name="Attach text files")).to_be_visible()
        await attach.set_input_files([text_file("secret.bin", b"\x00\xff"), text_file("long.txt", b"x" * 201)])
        await expect(page.get_by_role("alert")).to_contain_text("“long.txt” is too long: there is room for 200")
        await attach.set_input_files([text_file("picture.png", b"\x89PNG")])
        await expect(page.get_by_role("alert")).to_contain_text("“picture.png” is not a text file")
        await attach.set_input_files([text_file("or<d>er.txt", "Größe 42".encode()), text_file("b.txt", b"left out")])
        await page.get_by_role("button", name="Remove: b.txt").click()
        question = page.get_by_label("Your message")
        await question.fill("What did I order?")
        await question.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("I have read it.")
        expected = 'What did I order?\n\n<file name="or_d_er.txt">\nGröße 42\n</file>'
        (asked,) = [each["content"] for each in provider.bodies[0]["messages"] if each["role"] == "user"]
        assert asked.startswith(f"{expected}\n\n[Note of this chatbot's operator")
        log = page.get_by_role("log")
        for _ in range(2):
            await expect(log).to_contain_text("or_d_er.txt")
            await expect(log).to_contain_text("What did I order?")
            await expect(log).not_to_contain_text("Größe 42")
            # As when the conversation is opened again.
            await page.reload()
        assert errors == []


async def test_without_leave_there_is_nothing_to_attach_with(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path, config(app=SKIN)) as bot:
        page, _ = await opened(browser, bot)
        await expect(page.get_by_label("Your message")).to_be_visible()
        await expect(page.locator("#attach")).to_be_hidden()


def text_file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}
