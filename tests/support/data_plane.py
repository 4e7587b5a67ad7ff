"""Stands in for kubelet, ingress controller and cert-manager on an API server that has none of them.

Pods become ready at a loopback address of their own, where a small server answers `/status` as the runtime does: with
the hash of the config that the mounted ConfigMap holds. What a pod mounts is looked at when it starts and again when it
is nudged, as the real kubelet does.
"""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from smarter_crds.runtime_config import CONFIG_KEY, RuntimeConfig
from smarter_crds.session_key import SESSION_KEY_MISSING
from smarter_operator.names import NUDGE_ANNOTATION
from smarter_operator.resources.config_map import unpacked
from smarter_operator.resources.secret_volume import mounts_of
from support.api import Api, ApiError
from support.manifests import session_secret_of

Manifest = dict[str, Any]
POLL_SECONDS = 0.1


@dataclass
class FakePod:
    """One pod that pretends to run."""

    uid: str
    namespace: str
    bot: str
    address: str
    session_secret: str = ""
    nudge: str = ""
    config_hash: str = ""
    keys_hash: str = ""
    mounted: frozenset[str] = frozenset()
    """Paths of the files of Secrets that it has."""
    lacked: set[str] = field(default_factory=set)
    """Files that it did not have and a config that it was given named."""
    stubborn: bool = False
    """Whether it ignores a reload."""
    problems: list[dict[str, str]] = field(default_factory=list)


class DataPlane:
    """Use it as an async context; `pods` are those that run, by UID."""

    def __init__(self, api: Api, port: int) -> None:
        self._api = api
        self._port = port
        self._addresses = (
            f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(20, 200), range(256), range(1, 255))
        )
        self._runners: dict[str, web.AppRunner] = {}
        self.pods: dict[str, FakePod] = {}
        self.stubborn_bots: set[str] = set()

    async def __aenter__(self) -> "DataPlane":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for runner in self._runners.values():
            await runner.cleanup()

    async def _run(self) -> None:
        while True:
            # An API server that was just given new kinds answers 429 for a moment; one that is killed does not answer.
            with contextlib.suppress(ApiError, aiohttp.ClientError, TimeoutError):
                await self._pods()
                await self._ingresses()
                await self._certificates()
            await asyncio.sleep(POLL_SECONDS)

    async def _pods(self) -> None:
        found = {pod["metadata"]["uid"]: pod for pod in await self._api.list_all("Pod", selector="smarter.sh/chatbot")}
        for uid in set(self.pods) - set(found):
            del self.pods[uid]
            await self._runners.pop(uid).cleanup()
        for uid, pod in found.items():
            with contextlib.suppress(ApiError):
                await (self._refresh(self.pods[uid], pod) if uid in self.pods else self._start(uid, pod))

    async def _start(self, uid: str, pod: Manifest) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        bot = pod["metadata"]["labels"]["smarter.sh/chatbot"]
        fake = FakePod(uid, namespace, bot, next(self._addresses), stubborn=bot in self.stubborn_bots)
        fake.session_secret = session_secret_of(pod)
        fake.mounted = frozenset(mount.path for mount in mounts_of(pod["spec"]))
        await self._mount(fake)
        await self._listen(fake)
        self.pods[uid] = fake
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = [{"type": kind, "status": "True", "lastTransitionTime": stamp} for kind in ("Ready", "ContainersReady")]
        status = {"phase": "Running", "podIP": fake.address, "podIPs": [{"ip": fake.address}], "conditions": ready}
        await self._api.patch("Pod", namespace, name, {"status": status}, "status")

    async def sync(self, namespace: str) -> None:
        """Mount anew what the pods of a namespace mount, as a kubelet does every minute or so."""
        for fake in self.pods.values():
            if fake.namespace == namespace:
                await self._mount(fake)

    async def _refresh(self, fake: FakePod, pod: Manifest) -> None:
        nudge = pod["metadata"].get("annotations", {}).get(NUDGE_ANNOTATION, "")
        if nudge != fake.nudge:
            fake.nudge = nudge
            if not fake.stubborn:
                await self._mount(fake)

    async def _mount(self, fake: FakePod) -> None:
        config, keys = [await self._config_map(fake, what) for what in ("config", "keys")]
        fake.config_hash, fake.keys_hash = [str((each.get("data") or {}).get("hash", "")) for each in (config, keys)]
        fake.lacked |= _files(unpacked(config, CONFIG_KEY)) - fake.mounted
        others = [problem for problem in fake.problems if problem["reason"] != SESSION_KEY_MISSING]
        has_key = await self._api.get("Secret", fake.namespace, fake.session_secret)
        fake.problems = others if has_key else [*others, {"reason": SESSION_KEY_MISSING, "message": "It is gone."}]

    async def _config_map(self, fake: FakePod, what: str) -> Manifest:
        return await self._api.get("ConfigMap", fake.namespace, f"{fake.bot}-{what}") or {}

    async def _listen(self, fake: FakePod) -> None:
        async def status(_: web.Request) -> web.Response:
            loaded_at = datetime.now(UTC).isoformat()
            answer = {
                "podUid": fake.uid,
                "configHash": fake.config_hash,
                "keysHash": fake.keys_hash,
                "loadedAt": loaded_at,
                "problems": fake.problems,
            }
            return web.json_response(answer)

        app = web.Application()
        app.add_routes([web.get("/status", status)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, fake.address, self._port).start()
        self._runners[fake.uid] = runner

    async def _ingresses(self) -> None:
        for ingress in await self._api.list_all("Ingress", selector="smarter.sh/chatbot"):
            if not ingress.get("status", {}).get("loadBalancer", {}).get("ingress"):
                status = {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}
                await self._set_status("Ingress", ingress, status)

    async def _certificates(self) -> None:
        now = datetime.now(UTC)
        for certificate in await self._api.list_all("Certificate", selector="smarter.sh/chatbot"):
            if "notAfter" not in certificate.get("status", {}):
                stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
                ready = {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Ready",
                    "message": "up to date",
                    "lastTransitionTime": stamp,
                }
                ends = (now + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
                await self._set_status("Certificate", certificate, {"conditions": [ready], "notAfter": ends})

    async def _set_status(self, kind: str, manifest: Manifest, status: Manifest) -> None:
        with contextlib.suppress(ApiError):
            metadata = manifest["metadata"]
            await self._api.patch(kind, metadata["namespace"], metadata["name"], {"status": status}, "status")


def _files(document: bytes) -> set[str]:
    """Return the files of Secrets that the Providers of a config name."""
    if not document:
        return set()
    providers = RuntimeConfig.model_validate_json(document).providers.values()
    return {file for each in providers for file in (each.api_key_file, each.ca_file) if file}
