"""The operator's own small HTTP server: `/livez`, `/readyz` and `/metrics`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

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

    async def show_metrics(_: web.Request) -> web.Response:
        metrics.QUEUE_DEPTH.set(engine.queue.depth)
        metrics.QUEUE_OLDEST_SECONDS.set(engine.oldest_seconds())
        metrics.observe_watches(engine.streams.staleness())
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show_metrics)])
    return app
