"""A call that the person must confirm, on the chat page in a real browser."""

from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser, expect

from runtime.api_server import answers, api, parameter, plugin
from runtime.support import call, calls, config, running, says, scripted

ARGUMENTS = '{"order_id": 7, "note": "<b>bold</b>"}'
CANCEL = plugin(
    parameter("order_id", "Integer", required=True),
    parameter("note"),
    name="cancel-order",
    method="DELETE",
    path="/orders/{order_id}",
).model_copy(update={"confirm": "Visitor", "description": "Cancels an order."})


async def test_a_person_sees_what_will_be_done_and_it_is_done_after_the_click_only(
    browser: Browser, tmp_path: Path
) -> None:
    wants = calls(call(ARGUMENTS, id_="c1", name="cancel-order"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(api(answers({"cancelled": True})))
        model = await stack.enter_async_context(
            scripted(wants, says("Please confirm."), wants, says("Please confirm it."), says("It is cancelled."))
        )
        document = config(providers=model.config(), plugins=(CANCEL,), api_connections={"erp": server.connection()})
        bot = await stack.enter_async_context(running(tmp_path, document))
        errors: list[str] = []
        page = await browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(bot.url)
        question = page.get_by_label("Your message")
        await question.fill("Cancel order 7")
        await question.press("Enter")
        card = page.get_by_role("region", name="cancel-order")
        await expect(card).to_contain_text("Cancels an order.")
        await expect(card).to_contain_text("<b>bold</b>")
        assert server.seen == []
        await card.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("log")).to_contain_text("Cancelled. Nothing was done.")
        await expect(card).to_have_count(0)
        await question.fill("Cancel it after all")
        await question.press("Enter")
        await expect(card).to_be_visible()
        assert server.seen == []
        await card.get_by_role("button", name="Confirm").click()
        await expect(page.get_by_role("log")).to_contain_text("It is cancelled.")
        await expect(card).to_have_count(0)
        assert [(seen.method, seen.target) for seen in server.seen] == [("DELETE", "/orders/7")]
        assert errors == []
        await page.close()
