"""An admission webhook of somebody else, on loopback, that refuses what its test says, with the code its test says."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from support.api import Api, Manifest
from support.webhook_place import WebhookPlace

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@asynccontextmanager
async def denying(api: Api, namespace: str, folder: Path, codes: dict[str, int | None]) -> AsyncIterator[None]:
    """Refuse every Deployment of a name in `codes` with its code while the context lasts; None: nobody answers."""
    place = WebhookPlace.make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    app = web.Application()

    async def refuse(request: web.Request) -> web.Response:
        return _refusal(await request.json(), codes)

    app.router.add_post("/", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", place.port, ssl_context=context).start()
    silent = [name for name, code in codes.items() if code is None]
    webhooks = [
        _webhook("denies.test.example", namespace, place, place.url, [name for name in codes if name not in silent]),
        # Nothing listens at port 1.
        _webhook("silent.test.example", namespace, place, "https://127.0.0.1:1", silent),
    ]
    await api.call("POST", CONFIGURATIONS, body={"metadata": {"name": namespace}, "webhooks": webhooks})
    try:
        yield
    finally:
        await api.call("DELETE", f"{CONFIGURATIONS}/{namespace}")
        await runner.cleanup()


def _refusal(review: Any, codes: dict[str, int | None]) -> web.Response:
    uid, name = review["request"]["uid"], review["request"]["name"]
    status = {"code": codes[name], "message": f"{name} is not wanted here."}
    response = {"uid": uid, "allowed": False, "status": status}
    return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


def _webhook(name: str, namespace: str, place: WebhookPlace, url: str, deployments: list[str]) -> Manifest:
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    return {
        "name": name,
        "clientConfig": {"url": url, "caBundle": place.ca_bundle},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "matchConditions": [{"name": "named", "expression": f"request.name in {deployments}"}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
    }
