"""Starts the runtime: `python -m smarter_runtime`."""

import uvloop

from smarter_runtime import logs
from smarter_runtime.server import Runtime, handle_signals
from smarter_runtime.services import services
from smarter_runtime.settings import Settings


async def serve(settings: Settings) -> None:
    runtime = Runtime(services(settings))
    handle_signals(runtime)
    await runtime.run()


def main() -> None:
    settings = Settings()
    logs.configure(settings.log_level)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
