"""The running process: two listeners in one loop, the config watcher, and the orderly end."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from smarter_runtime.app import create_api, create_status
from smarter_runtime.services import Services
from smarter_runtime.watch import watching

logger = logging.getLogger(__name__)
# Kubernetes gives `maxAnswerSeconds` + 30 in all: the pause before SIGTERM and the last tidying are in it, too.
DRAIN_RESERVE_SECONDS = 20
KEEP_ALIVE_SECONDS = 75
LAG_PROBE_SECONDS = 1.0
TICK_SECONDS = 1.0
YOUNG_OBJECTS = 5_000
"""After so many new objects the collector looks for rings among them; an answer makes some hundreds."""
# Without the kernel's help a change must still be live within a fraction of a second.
UNTOLD_POLL_SECONDS = 0.15


class Server(uvicorn.Server):
    """A uvicorn server whose signals are somebody else's business."""

    def __init__(self, name: str, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._name = name
        self._end = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._end.set()

    async def main_loop(self) -> None:
        # uvicorn's own loop wakes ten times a second, which over many idle bots adds up; once is enough for `Date`.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), TICK_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        addresses = [each.getsockname() for server in self.servers for each in server.sockets]
        logger.info("listening", extra={"app": self._name, "port": addresses[0][1] if addresses else None})


class Runtime:
    """Serves until it is told to stop; then lets the answers finish that were begun."""

    def __init__(self, services: Services) -> None:
        self._services = services
        settings = services.settings
        self.api = Server("api", _server_config(create_api(services), settings.host, settings.api_port))
        self.status = Server("status", _server_config(create_status(services), settings.host, settings.status_port))
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin the end: not ready, no new connections. Asked again, do not wait any longer."""
        self.api.force_exit = self._services.is_draining
        self._services.is_draining = True
        self.api.config.timeout_graceful_shutdown = self._drain_seconds()
        self.api.end()

    async def run(self) -> None:
        await self.refresh()
        # What was imported and configured lives as long as the process; the collector need not look at it again and
        # again, nor at what each answer throws away in any case.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
        services = self._services
        housekeeping = services.housekeeping.run(lambda: services.configs.bot)
        stores = (services.stores.watch(), services.limits.watch(), services.keeping.forwarder.run())
        work = (self._watch(), self._probe_lag(), *stores, housekeeping)
        background = [asyncio.create_task(each) for each in work]
        status = asyncio.create_task(self.status.serve())
        try:
            await self.api.serve()
        finally:
            self.status.end()
            for task in background:
                task.cancel()
            await asyncio.gather(status, *background, return_exceptions=True)
            await self._services.close()

    async def refresh(self) -> None:
        """Take changed keys and a changed config into service."""
        configs = self._services.configs
        self._services.signing_key.refresh()
        await self._services.api_keys.refresh()
        self._services.metrics.api_keys.set(len(self._services.api_keys.ring.keys))
        if not await configs.refresh():
            return
        self._services.metrics.reloads.labels("broken" if configs.problems else "ok").inc()
        if configs.bot:
            self._services.traces.start(configs.bot.config.bot)
            await self._services.providers.warm(configs.bot.config)
            # Nobody waits for it: an issuer that cannot be reached holds up no start.
            self._services.background.start(self._services.identities.warm(configs.bot.config))
            await self._services.connectors.warm(configs.bot.config)
            await self._services.limits.recall()
            await self._services.stores.use(configs.bot.config.store)
            self._services.keeping.use(configs.bot.config)

    async def _watch(self) -> None:
        settings, changed = self._services.settings, asyncio.Event()
        with watching(settings.config_directory, changed.set) as is_told:
            seconds = settings.config_poll_seconds if is_told else UNTOLD_POLL_SECONDS
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), seconds)
                changed.clear()
                await self._try_refresh()

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except Exception:
            logger.exception("cannot look at the config")

    async def _probe_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PROBE_SECONDS
            await asyncio.sleep(LAG_PROBE_SECONDS)
            self._services.metrics.lag_seconds.observe(max(0.0, loop.time() - due))

    def _drain_seconds(self) -> int:
        if self._services.settings.drain_seconds is not None:
            return int(self._services.settings.drain_seconds)
        bot = self._services.configs.bot
        return DRAIN_RESERVE_SECONDS + (bot.config.limits.max_answer_seconds if bot else 0)


def handle_signals(runtime: Runtime) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.stop)


def _server_config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
