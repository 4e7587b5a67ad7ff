"""A client that lets the server keep its conversations."""

import json
from typing import Any

import aiohttp

from runtime.support import Running
from smarter_runtime.conversations.talk import HEADER


async def talk(bot: Running, text: str, conversation: str = "new", **fields: Any) -> aiohttp.ClientResponse:
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return await bot.post(body, **{HEADER: conversation})


async def call(bot: Running, method: str, path: str = "", token: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token or bot.token}"}
    async with bot.http.request(method, f"{bot.url}/app/v1/conversations{path}", headers=headers) as response:
        body = await response.read()
        return response.status, json.loads(body) if body else None


async def other_visitor(bot: Running) -> str:
    bot.http.cookie_jar.clear()
    return await bot.session()
