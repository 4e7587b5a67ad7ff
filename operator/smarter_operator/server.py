"""The operator's own small HTTP server: `/livez`, `/readyz` and `/metrics`.

`/metrics?name[]=…` shows the named metrics alone, of those that are not about single Chatbots.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from smarter_operator import metrics
from smarter_operator.engine import Engine
from smarter_operator.health import ailments


@asynccontextmanager
async def serve(engine: Engine, host: str, port: int) -> AsyncIterator[None]:
    """Serve while the context lasts."""
    runner = web.AppRunner(application(engine), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


def application(engine: Engine) -> web.Application:
    async def livez(_: web.Request) -> web.Response:
        found = list(ailments(engine.vitals()))
        return web.Response(status=503 if found else 200, text="\n".join([*found, ""]) if found else "ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if not engine.synced.is_set():
            return web.Response(status=503, text="The first list of all resources is not complete.\n")
        return web.Response(text="ok\n")

    async def show_metrics(request: web.Request) -> web.StreamResponse:
        metrics.QUEUE_DEPTH.set(engine.queue.depth)
        metrics.QUEUE_OLDEST_SECONDS.set(engine.oldest_seconds())
        metrics.observe_watches(engine.streams.staleness())
        if names := request.query.getall("name[]", []):
            body = generate_latest(REGISTRY.restricted_registry(names))
            return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE_LATEST})
        await response.prepare(request)
        await response.write(generate_latest())
        for part in metrics.CHATBOTS.text():
            await response.write(part.encode())
            # Writing waits only for a slow reader; the others shall have their turn in any case.
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show_metrics)])
    return app
