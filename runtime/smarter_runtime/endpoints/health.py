"""What the cluster asks: is the process alive, may it get requests, what does it serve, how is it doing."""

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from smarter_crds.runtime_config import RuntimeProblem, RuntimeStatus
from smarter_runtime import services as parts
from smarter_runtime.bot import Bot
from smarter_runtime.services import Services


async def livez(request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


async def readyz(request: Request) -> Response:
    services = parts.of(request)
    if services.is_draining:
        return Response("draining\n", 503, media_type="text/plain")
    if services.configs.bot is None:
        return Response("no config is loaded\n", 503, media_type="text/plain")
    return Response("ok\n", media_type="text/plain")


async def status(request: Request) -> Response:
    """Answer 200 even while nothing is served (the hash is empty then): the problems are what a reader needs most."""
    body = _status(parts.of(request))
    return Response(body.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json")


async def metrics(request: Request) -> Response:
    return Response(parts.of(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _status(services: Services) -> RuntimeStatus:
    bot, ring = services.configs.bot, services.api_keys.ring
    of_bot = (*_problems(services, bot), *bot.problems) if bot else ()
    return RuntimeStatus(
        pod_uid=services.settings.pod_uid,
        config_hash=bot.config_hash if bot else "",
        loaded_at=bot.loaded_at if bot else services.clock(),
        keys=len(ring.keys),
        keys_hash=ring.hash,
        problems=(*_own_problems(services), *ring.problems, *of_bot),
    )


def _own_problems(services: Services) -> tuple[RuntimeProblem, ...]:
    kept = (*services.keeping.embedded.problems, *services.housekeeping.problems)
    told = (*services.configs.problems, *services.signing_key.problems, *services.traces.problems)
    return (*told, *services.identities.problems(), *kept)


def _problems(services: Services, bot: Bot) -> tuple[RuntimeProblem, ...]:
    stored = (services.stores.problem,) if services.stores.problem else ()
    return (*services.providers.problems(bot.config), *services.connectors.problems(bot.config), *stored)
