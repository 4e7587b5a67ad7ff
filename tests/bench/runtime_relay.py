"""The limit: a relay that checks a key and forwards bytes unread. `python runtime_relay.py SETTINGS`."""

import json
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web


def application(settings: dict[str, Any]) -> web.Application:
    async def forward(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {settings['token']}":
            raise web.HTTPUnauthorized
        headers = {"Authorization": f"Bearer {settings['provider_key']}", "Content-Type": "application/json"}
        session: aiohttp.ClientSession = request.app["session"]
        async with session.post(
            f"{settings['provider']}/chat/completions", data=await request.read(), headers=headers
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    async def ready(request: web.Request) -> web.Response:
        return web.Response()

    async def client(app: web.Application) -> Any:
        trust = ssl.create_default_context(cafile=settings["ca"])
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=trust)) as session:
            app["session"] = session
            yield

    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post("/v1/chat/completions", forward)
    app.router.add_get("/readyz", ready)
    return app


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings["certificate"], settings["key"])
    web.run_app(
        application(settings),
        host="127.0.0.1",
        port=settings["port"],
        ssl_context=context,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
