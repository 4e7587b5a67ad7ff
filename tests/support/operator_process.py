"""The operator as a process of its own, with the identity that its chart gives it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import yaml

from support.api import Api, Manifest


class OperatorProcess:
    """Starts and stops `python -m smarter_operator`; `log` is the file it writes to."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self._kubeconfig = kubeconfig
        self._settings = settings
        self.log = log
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    def twin(self, kubeconfig: Path, log: Path) -> "OperatorProcess":
        """Return another operator with the same settings, which does not run yet."""
        return OperatorProcess(kubeconfig, log, **self._settings)

    async def start(self, timeout_seconds: float = 30, **changed: str) -> None:
        """Start it, for once with some settings `changed`, and wait until it is ready."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SMARTER_")}  # noqa: TID251
        environment = inherited | {
            "SMARTER_KUBECONFIG": str(self._kubeconfig),
            "SMARTER_SERVER_HOST": "127.0.0.1",
            "SMARTER_SERVER_PORT": str(self.port),
            **self._settings,
            **changed,
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "smarter_operator", env=environment, stdout=log, stderr=log
            )
        end = asyncio.get_running_loop().time() + timeout_seconds
        while not await self._is_ready():
            if self._process.returncode is not None or asyncio.get_running_loop().time() > end:
                await self.stop(signal.SIGKILL)
                raise AssertionError(f"the operator did not become ready; its log ends: {self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.05)

    async def stop(self, how: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end. Returns the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        async with asyncio.timeout(30):
            return await self._process.wait()

    @contextmanager
    def settings(self, **settings: str) -> Iterator[None]:
        """Start with other settings for a while."""
        before, self._settings = self._settings, {**self._settings, **settings}
        yield
        self._settings = before

    def signal(self, which: int) -> None:
        assert self._process is not None
        self._process.send_signal(which)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_started(self) -> bool:
        return self._process is not None

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    async def metrics(self, *names: str) -> str:
        """Return the metrics of these names; without any, all."""
        url = f"http://127.0.0.1:{self.port}/metrics?" + "&".join(f"name[]={name}" for name in names)
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text()

    async def _is_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/readyz"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


async def service_account_token(api: Api, namespace: str, account: str) -> str:
    """Return a token of an hour."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token: str = (await api.call("POST", path, body=request))["status"]["token"]
    return token


def with_token(admin: Path, token: str, target: Path) -> Path:
    """Write the kubeconfig `admin` anew, with a token in place of its credentials."""
    config: Manifest = yaml.safe_load(admin.read_text(encoding="utf-8"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    target.write_text(yaml.safe_dump(config), encoding="utf-8")
    target.chmod(0o600)
    return target


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
