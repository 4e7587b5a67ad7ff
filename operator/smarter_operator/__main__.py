"""Starts the operator: `python -m smarter_operator`."""

import asyncio
import logging
import socket
import sys
from datetime import UTC, datetime

import aiohttp
import uvloop
from pydantic import ValidationError
from pythonjsonlogger.json import JsonFormatter

from smarter_operator import handlers, webhook
from smarter_operator.engine import Engine
from smarter_operator.host_client import HttpsHostClient
from smarter_operator.kubernetes_cluster import KubernetesCluster, load_configuration, new_session
from smarter_operator.kubernetes_lease import KubernetesLease
from smarter_operator.leader import Elector
from smarter_operator.pod_client import HttpStatusClient
from smarter_operator.server import serve
from smarter_operator.settings import Settings
from smarter_operator.streams import Streams
from smarter_operator.watch_session import Contact, watch_session

API_CONNECTIONS = 64


def main() -> int:
    """Run until SIGTERM; returns the exit code."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"The settings are not usable: {error}\n")
        return 2
    _log(settings.log_level)
    uvloop.run(run(settings))
    return 0


async def run(settings: Settings) -> None:
    """Wire the parts together and work until kopf is told to stop."""
    configuration = await load_configuration(settings.kubeconfig)
    server = str(configuration.host)
    streams = Streams()
    async with (
        new_session(configuration, API_CONNECTIONS, Contact(streams)) as session,
        aiohttp.ClientSession() as pod_session,
    ):
        cluster = KubernetesCluster(server, session, settings.api_timeout_seconds, settings.watch_namespaces)
        elector = _elector(cluster, settings)
        client = HttpStatusClient(pod_session, settings.pod_status_port)
        engine = Engine(cluster, client, settings, elector, host_client=HttpsHostClient(settings.probe_port))
        engine.follow(streams)
        async with serve(engine, settings.server_host, settings.server_port), webhook.serve(engine, settings):
            await _work(engine, elector, lambda: (server, watch_session(configuration, streams, engine)))


def _elector(cluster: KubernetesCluster, settings: Settings) -> Elector | None:
    if not settings.lease_namespace:
        return None
    lease = KubernetesLease(cluster, settings.lease_namespace, settings.lease_name)
    return Elector(lease, settings.identity or socket.gethostname(), lambda: datetime.now(UTC))


async def _work(engine: Engine, elector: Elector | None, login: handlers.Login) -> None:
    working = asyncio.create_task(engine.run())
    stop = asyncio.Event()
    # A core that dies must take the watching down with it, so that the process ends and is started anew.
    working.add_done_callback(lambda _: stop.set())

    async def step_down() -> None:
        """End the work and let another replica have it."""
        working.cancel()
        await asyncio.wait([working])
        if elector is not None:
            await elector.release()

    try:
        await handlers.watch(engine, login, stop, step_down)
    finally:
        await step_down()
    try:
        await working
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def _log(level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    fields = {"asctime": "time", "levelname": "level", "name": "logger"}
    handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # kopf logs every object's every event; what matters of it is warnings.
    logging.getLogger("kopf").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
