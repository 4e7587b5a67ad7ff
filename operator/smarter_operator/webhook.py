"""The HTTPS server that the API server asks: `/validate` and `/convert`. Nothing else of the operator waits for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeGuard

import orjson
from aiohttp import web

from smarter_crds.base import API_VERSION
from smarter_operator import metrics
from smarter_operator.admission import ADMITTED, Verdict, judge
from smarter_operator.aside import Aside
from smarter_operator.certificates import ServingCertificate
from smarter_operator.cluster import Manifest
from smarter_operator.conversion import CONVERSIONS, CannotConvert, Conversions
from smarter_operator.engine import Engine
from smarter_operator.settings import Settings, WebhookSettings

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 16 * 2**20
"""More than an object before and after the largest edit that the API server takes."""

EXIT_SECONDS = 5.0
"""So long an answer under way may take when the operator ends."""

Judge = Callable[[str, Manifest, Manifest | None], Verdict]
"""From the name of a kind, the object and the one it replaces to what is thought of it; called in another thread."""

_KINDS = {kind.name: kind for kind in ADMITTED}


@asynccontextmanager
async def serve(engine: Engine, settings: Settings) -> AsyncIterator[None]:
    """Serve while the context lasts, as soon as there is a certificate; without a folder for it, do nothing."""
    if not settings.webhook.certificate_folder:
        yield
        return

    def think(kind: str, manifest: Manifest, before: Manifest | None) -> Verdict:
        cache = engine.cache if engine.synced.is_set() else None
        return judge(_KINDS[kind], manifest, before, cache, settings.platform)

    app = application(think)
    serving = asyncio.create_task(serve_application(app, settings.webhook, settings.server_host))
    try:
        yield
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def serve_application(app: web.Application, settings: WebhookSettings, host: str) -> None:
    """Serve over TLS until cancelled, from when the certificate is there and the address is free."""
    certificate = ServingCertificate(Path(settings.certificate_folder))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=EXIT_SECONDS)
    await runner.setup()
    listening = False
    try:
        while True:
            if certificate.refresh() and not listening:
                site = web.TCPSite(runner, host, settings.port, ssl_context=certificate.context)
                listening = await _listens(site)
            await asyncio.sleep(settings.refresh_seconds)
    finally:
        await runner.cleanup()


async def _listens(site: web.TCPSite) -> bool:
    try:
        await site.start()
    except OSError as error:
        logger.warning("cannot serve webhooks", extra={"error": str(error)})
        return False
    logger.info("serving webhooks", extra={"address": site.name})
    return True


def application(think: Judge, conversions: Conversions = CONVERSIONS) -> web.Application:
    app, aside = web.Application(client_max_size=MAX_REQUEST_BYTES), Aside()
    app.add_routes(
        [
            web.post("/validate", _answering("AdmissionReview", lambda request: _validate(request, think), aside)),
            web.post("/convert", _answering("ConversionReview", lambda request: _convert(request, conversions), aside)),
        ]
    )
    return app


def _answering(
    kind: str, answer: Callable[[Manifest], Manifest], aside: Aside
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler for a review of `kind`: it takes `request` apart and sends back what `answer` says of it."""

    async def handle(request: web.Request) -> web.Response:
        body = await aside.run(_answer, await request.read(), kind, answer)
        if body is None:
            return web.Response(status=400, text=f"The body is no {kind} with a request.\n")
        return web.Response(body=body, content_type="application/json")

    return handle


def _answer(body: bytes, kind: str, answer: Callable[[Manifest], Manifest]) -> bytes | None:
    """Return the review that answers the one in `body`; None: there is none of that kind in it."""
    review = _parsed(body)
    asked = review.get("request")
    if review.get("kind") != kind or not isinstance(asked, dict) or not isinstance(asked.get("uid"), str):
        return None
    response = {"uid": asked["uid"], **answer(asked)}
    return orjson.dumps({"apiVersion": review.get("apiVersion"), "kind": kind, "response": response})


def _parsed(body: bytes) -> Manifest:
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _validate(request: Manifest, think: Judge) -> Manifest:
    kind, manifest, before = _name_of(request.get("kind")), request.get("object"), request.get("oldObject")
    if kind not in _KINDS or request.get("operation") not in ("CREATE", "UPDATE") or request.get("subResource"):
        return {"allowed": True}
    if not _is_object(manifest):
        return {"allowed": True, "warnings": ["The operator was sent no object to judge."]}
    verdict = think(kind, manifest, before if _is_object(before) else None)
    metrics.ADMISSIONS.labels(kind, "denied" if verdict.denial else "allowed").inc()
    answer: Manifest = {"allowed": not verdict.denial}
    if verdict.denial:
        answer["status"] = {"code": 422, "reason": "Invalid", "message": verdict.denial}
    if verdict.warnings:
        answer["warnings"] = verdict.warnings
    return answer


def _name_of(kind: Any) -> str:
    """Return the name of one of our kinds in the version that we know, else nothing."""
    if not isinstance(kind, dict) or f"{kind.get('group')}/{kind.get('version')}" != API_VERSION:
        return ""
    return str(kind.get("kind"))


def _is_object(manifest: Any) -> TypeGuard[Manifest]:
    """Tell whether this has the shape that every object of the API server has."""
    metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
    return isinstance(metadata, dict) and all(isinstance(metadata.get(key, ""), str) for key in ("name", "namespace"))


def _convert(request: Manifest, conversions: Conversions) -> Manifest:
    objects, desired = request.get("objects"), str(request.get("desiredAPIVersion"))
    try:
        if not isinstance(objects, list) or not all(isinstance(manifest, dict) for manifest in objects):
            raise CannotConvert("The request holds no list of objects.")
        converted = conversions.convert(objects, desired)
    except CannotConvert as error:
        return {"result": {"status": "Failed", "message": str(error)}, "convertedObjects": []}
    return {"result": {"status": "Success"}, "convertedObjects": converted}
