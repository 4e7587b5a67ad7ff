"""The runtime as a child process: started, listened to, asked for its status, ended."""

import asyncio
import json
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from smarter_cli.manifests import InputError

HOST = "127.0.0.1"
ASK_SECONDS = 0.02
END_SECONDS = 10.0
_QUIET = frozenset({"DEBUG", "INFO"})


class RuntimeProcess:
    """One running bot. `say` is given each warning and error that the process logs."""

    def __init__(self, process: Process, say: Callable[[str], None]) -> None:
        self._process = process
        self._say = say
        self._ports: dict[str, int] = {}
        self._listening = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @property
    def api_port(self) -> int:
        return self._ports["api"]

    async def listening(self) -> None:
        """Wait until both ports are open.

        Raises:
            InputError: when the process ends instead.
        """
        ended = asyncio.create_task(self.wait())
        opened = asyncio.create_task(self._listening.wait())
        await asyncio.wait({ended, opened}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, opened):
            task.cancel()
        if not self._listening.is_set():
            raise InputError("The runtime ended at once; what it said stands above.")

    async def status(self) -> dict[str, Any]:
        """Return what the process says of itself: the hash of the config in service, and its problems."""
        found: dict[str, Any] = json.loads(
            await asyncio.to_thread(_get, f"http://{HOST}:{self._ports['status']}/status")
        )
        return found

    async def serves(self, config_hash: str, timeout_seconds: float) -> dict[str, Any]:
        """Wait until that config is in service, or the time is over. Returns the last status."""
        end = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            status = await self.status()
            if status["configHash"] == config_hash or asyncio.get_running_loop().time() > end:
                return status
            await asyncio.sleep(ASK_SECONDS)

    async def wait(self) -> int:
        """Wait for the end of the process and of its output. Returns the exit code."""
        code = await self._process.wait()
        await asyncio.shield(self._reading)
        return code

    async def end(self) -> None:
        """End it, and wait until it has gone."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            try:
                self._heard(json.loads(line))
            except (json.JSONDecodeError, KeyError, TypeError):
                self._say(line)

    def _heard(self, entry: dict[str, Any]) -> None:
        if entry["message"] == "listening":
            self._ports[entry["app"]] = entry["port"]
            if len(self._ports) == 2:
                self._listening.set()
        elif entry["level"] not in _QUIET:
            said = entry.get("text") or entry.get("exception") or ""
            self._say(f"{entry['message']}{': ' if said else ''}{said}")


async def start(
    config: Path, secrets: Path, data: Path, port: int, inherited: Mapping[str, str], say: Callable[[str], None]
) -> RuntimeProcess:
    """Start the runtime for this machine only; it serves nothing until the folder `config` holds a config.

    What it keeps of chats is in the folder `data`.

    Raises:
        InputError: when the port is taken.
    """
    _check_free(port)
    environment = {name: value for name, value in inherited.items() if not name.startswith("SMARTER_")} | {
        "SMARTER_CONFIG_DIRECTORY": str(config),
        "SMARTER_SECRETS_DIRECTORY": str(secrets),
        "SMARTER_DATA_DIRECTORY": str(data),
        "SMARTER_HOST": HOST,
        "SMARTER_API_PORT": str(port),
        "SMARTER_STATUS_PORT": "0",
        "SMARTER_DRAIN_SECONDS": "2",
    }
    # In a session of its own: Ctrl-C is for us, and we end it in order.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smarter_runtime", env=environment, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    return RuntimeProcess(process, say)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"Cannot listen on port {port}: {error.strerror}; choose another with `--port`."
            ) from error


def _get(url: str) -> bytes:
    with urlopen(url, timeout=5) as response:
        body: bytes = response.read()
        return body
