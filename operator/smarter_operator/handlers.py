"""The only file that imports kopf: has it list and watch every kind, which its session takes in for the engine."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import aiohttp
import kopf

from smarter_operator.engine import Engine
from smarter_operator.kinds import Kind
from smarter_operator.pace import GAP_SECONDS

WATCH_SECONDS = 300
"""After so long the server ends a watch, so that a stream that died unseen is not trusted for ever."""

SILENT_SECONDS = 70
"""When a watch brings nothing for so long it is begun anew; the server sends a bookmark every minute."""

EXIT_SECONDS = 25
"""When the process has not ended so long after SIGTERM, it is ended hard; the kubelet would do so after 30."""

LIST_PAGE = 500
"""How many objects kopf lists at once; as one answer, ten thousand would take hundreds of megabytes for a moment."""

LONGEST_BACKOFF_SECONDS = 15

Login = Callable[[], tuple[str, aiohttp.ClientSession]]
StepDown = Callable[[], Awaitable[None]]


class _EndlessBackoffs:
    """Delays between tries of one API call: kopf ends the process when they run out, so they never do."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.5
        while True:
            yield delay * random.uniform(0.8, 1.2)
            delay = min(delay * 2, LONGEST_BACKOFF_SECONDS)


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps kopf from copying and comparing every object of every event, which only handlers of changes would need."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return


def registry(engine: Engine, login: Login, step_down: StepDown) -> kopf.OperatorRegistry:
    """Return handlers that feed `engine` with what the session leaves to kopf, and make kopf watch all the rest.

    `login` gives the API server's address and a new session to it; `step_down` is called once kopf was told to stop and
    watches no more.
    """
    made = kopf.OperatorRegistry()

    async def end_work(**_: Any) -> None:
        await step_down()

    # Here and not after kopf: it waits for five seconds whether what still runs may end by itself.
    kopf.on.cleanup(registry=made)(end_work)

    async def log_in(**_: Any) -> kopf.AiohttpSession:
        server, session = login()
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    kopf.on.login(registry=made)(log_in)
    for kind in engine.kinds:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=made, id=kind.plural)(_feed(engine, kind))
    return made


def settings(engine: Engine) -> kopf.OperatorSettings:
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.watching.server_timeout = WATCH_SECONDS
    made.watching.client_timeout = WATCH_SECONDS + 10
    made.watching.inactivity_timeout = SILENT_SECONDS
    made.watching.connect_timeout = 10
    made.watching.reconnect_backoff = GAP_SECONDS
    made.networking.request_timeout = 60
    made.networking.connect_timeout = 10
    made.networking.error_backoffs = _EndlessBackoffs()
    made.queueing.idle_timeout = 1
    made.watching.chunk_size = LIST_PAGE
    made.persistence.diffbase_storage = _NoDiffs()
    made.process.ultimate_exiting_timeout = EXIT_SECONDS
    for kind in engine.kinds:
        if kind.selector:
            made.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return made


async def watch(engine: Engine, login: Login, stop: asyncio.Event, step_down: StepDown) -> None:
    """Watch until told to stop by the event or by SIGTERM; then the work ends by `step_down`."""
    # Given, for kopf would look up the user's name, and the user of a container may have none.
    identity: Any = "smarter-operator"
    await kopf.operator(
        registry=registry(engine, login, step_down),
        settings=settings(engine),
        identity=identity,
        standalone=True,
        clusterwide=not engine.namespaces,
        namespaces=engine.namespaces,
        stop_flag=stop,
    )


def _feed(engine: Engine, kind: Kind) -> Callable[..., Awaitable[None]]:
    async def feed(event: kopf.RawEvent, **_: Any) -> None:
        manifest = dict(event["object"])
        engine.event(kind, manifest, gone=event["type"] == "DELETED")
        if event["type"] is None:
            # kopf lists anew after a gap, and compares with nothing: what is gone produces no event.
            engine.relisted()

    return feed
