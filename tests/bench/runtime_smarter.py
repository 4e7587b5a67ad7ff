"""The runtime as it is, with TLS at its own door, which in a cluster is the Ingress controller's business."""

import asyncio
import sys

import uvloop

from smarter_runtime import logs
from smarter_runtime.server import Runtime, handle_signals
from smarter_runtime.services import services
from smarter_runtime.settings import Settings


async def serve(certificate: str, key: str) -> None:
    runtime = Runtime(services(Settings()))
    runtime.api.config.ssl_certfile, runtime.api.config.ssl_keyfile = certificate, key
    handle_signals(runtime)
    await runtime.run()


def main() -> None:
    certificate, key = sys.argv[1:]
    logs.configure("WARNING")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(certificate, key))


if __name__ == "__main__":
    main()
