"""The programs that are measured: how each is started, and what it costs while it runs."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import psutil

from bench.runtime_provider import KEY
from runtime.keys import TOKEN, key, put
from runtime.support import config, plugin, write
from smarter_cluster.pki import Authority, Subject
from smarter_crds.runtime_config import ModelConfig, PluginConfig, ProviderConfig, RuntimeConfig

HERE = Path(__file__).parent
LITELLM = "litellm[proxy]==1.108.7"
START_SECONDS = 60.0
LOOPBACK = ("127.0.0.0/8",)


@dataclass(frozen=True)
class Place:
    """Where a benchmark keeps its files, and the certificate that all its servers show."""

    folder: Path
    ca: Path
    certificate: Path
    key: Path

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@dataclass(frozen=True)
class Running:
    """A program that listens."""

    name: str
    url: str
    process: psutil.Process
    ready_seconds: float
    status_url: str = ""

    def cpu_seconds(self) -> float:
        return sum(each.cpu_times().user + each.cpu_times().system for each in self._family())

    def pss_mib(self) -> float:
        return sum(each.memory_full_info().pss for each in self._family()) / 2**20

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def compile_ahead() -> None:
    """Have all modules compiled, as they are in the images, also where Python is told to write no bytecode."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # noqa: TID251
    folders = [sysconfig.get_path("purelib"), *(str(HERE.parents[1] / part) for part in ("crds", "runtime"))]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], env=environment, check=False)


def place(folder: Path) -> Place:
    (folder / "pki").mkdir(parents=True)
    authority = Authority(folder / "pki", "bench")
    pair = authority.issue("loopback", Subject(name="loopback", hosts=("127.0.0.1", "localhost")))
    return Place(folder, authority.pair.certificate, pair.certificate, pair.key)


@asynccontextmanager
async def provider(at: Place) -> AsyncIterator[str]:
    """Run the scripted provider; yields its base URL without a path."""
    port = free_port()
    command = [sys.executable, str(HERE / "runtime_provider.py"), str(port), str(at.certificate), str(at.key)]
    async with _started("provider", command, f"https://127.0.0.1:{port}", at, "/orders/0"):
        yield f"https://127.0.0.1:{port}"


@asynccontextmanager
async def smarter(
    at: Place,
    provider_url: str,
    plugins: Sequence[PluginConfig] = (),
    files: Mapping[str, str] | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """Run our runtime; which of the provider's models answers is part of its config. `files` are secrets of plugins."""
    folder = at.folder / f"smarter-{time.monotonic_ns()}"
    document = bot(provider_url, plugins, **changes)
    _write_bot(folder, at, document)
    for name, text in (files or {}).items():
        (folder / "secrets" / name).write_text(text)
    port, status_port = free_port(), free_port()
    environment = {
        "SMARTER_CONFIG_DIRECTORY": str(folder / "config"),
        "SMARTER_SECRETS_DIRECTORY": str(folder / "secrets"),
        "SMARTER_HOST": "127.0.0.1",
        "SMARTER_API_PORT": str(port),
        "SMARTER_STATUS_PORT": str(status_port),
        "SMARTER_MAX_STREAMS": "2000",
        "PYTHONPATH": str(HERE.parent),
    }
    command = [sys.executable, str(HERE / "runtime_smarter.py"), str(at.certificate), str(at.key)]
    async with _started("smarter", command, f"https://127.0.0.1:{port}", at, "/readyz", environment) as running:
        yield replace(running, status_url=f"http://127.0.0.1:{status_port}")


def bot(provider_url: str, plugins: Sequence[PluginConfig] = (), **changes: Any) -> RuntimeConfig:
    limits = config().limits.model_copy(update={"tokens_per_day": 10**12})
    providers = {
        "main": ProviderConfig(
            name="main",
            type="OpenAICompatible",
            base_url=f"{provider_url}/v1",
            allowed_cidrs=LOOPBACK,
            api_key_file="key",
            ca_file="ca",
        )
    }
    whole = {"limits": limits, "providers": providers, "model": ModelConfig(provider="main", name="burst")}
    return config(plugins=tuple(plugins), **whole | changes)


def _write_bot(folder: Path, at: Place, document: RuntimeConfig) -> None:
    write(folder / "config", document)
    put(folder, key())
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "key").write_text(KEY)
    shutil.copy(at.ca, secrets / "ca")


def three_plugins() -> tuple[PluginConfig, ...]:
    """Return static plugins of a real size that take part in every turn."""
    data = {f"topic-{number}": {"text": "Some knowledge about it. " * 8} for number in range(60)}
    return tuple(plugin(f"facts-{number}", data=data, role=f"Mind the facts of {number}.") for number in range(3))


@asynccontextmanager
async def relay(at: Place, provider_url: str) -> AsyncIterator[Running]:
    async with _by_file("relay", "runtime_relay.py", at, provider_url) as running:
        yield running


@asynccontextmanager
async def sdk(at: Place, provider_url: str) -> AsyncIterator[Running]:
    async with _by_file("sdk", "runtime_sdk.py", at, provider_url) as running:
        yield running


@asynccontextmanager
async def _by_file(name: str, program: str, at: Place, provider_url: str) -> AsyncIterator[Running]:
    port = free_port()
    settings = {
        "port": port,
        "token": TOKEN,
        "provider": f"{provider_url}/v1",
        "provider_key": KEY,
        **{each: str(getattr(at, each)) for each in ("ca", "certificate", "key")},
    }
    file = at.folder / f"{name}-{port}.json"
    file.write_text(json.dumps(settings))
    command = [sys.executable, str(HERE / program), str(file)]
    async with _started(name, command, f"https://127.0.0.1:{port}", at, "/readyz") as running:
        yield running


@asynccontextmanager
async def litellm(at: Place, provider_url: str) -> AsyncIterator[Running]:
    """Run the LiteLLM proxy as its documentation says for production: one worker, a key, no database, few logs."""
    program = _litellm_program()
    port, master = free_port(), "sk-bench-master"
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": f"{provider_url}/v1", "api_key": KEY},
        }
        for name in ("burst", "paced", "slow")
    ]
    settings = {"set_verbose": False, "num_retries": 0, "request_timeout": 120, "ssl_verify": str(at.ca)}
    document = {"model_list": models, "litellm_settings": settings, "general_settings": {"master_key": master}}
    file = at.folder / f"litellm-{port}.yaml"
    file.write_text(json.dumps(document))
    command = [str(program), "--config", str(file), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command += ["--ssl_certfile_path", str(at.certificate), "--ssl_keyfile_path", str(at.key)]
    environment = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "SSL_CERT_FILE": str(at.ca),
        "PATH": f"{program.parent}:{os.environ['PATH']}",  # noqa: TID251
    }
    url = f"https://127.0.0.1:{port}"
    async with _started("litellm", command, url, at, "/health/liveliness", environment) as running:
        yield running


def _litellm_program() -> Path:
    """Return the proxy's program; it lives in an environment of its own, for its pins do not fit ours."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")  # noqa: TID251
    folder = home / "smarter-bench" / LITELLM.replace("[proxy]==", "-")
    program = folder / "bin" / "litellm"
    if not program.exists():
        print(f"  installing {LITELLM}", flush=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", LITELLM], check=True)
        subprocess.run([folder / "bin" / "python", "-m", "compileall", "-q", folder], check=False)
    return program


@asynccontextmanager
async def _started(
    name: str, command: Sequence[str], url: str, at: Place, path: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    log = (at.folder / f"{name}.log").open("ab")
    begun = time.perf_counter()
    whole = {**os.environ, **(environment or {})}  # noqa: TID251
    process = _popen(command, whole, log)
    try:
        await _ready(process, f"{url}{path}", at)
        yield Running(name, url, psutil.Process(process.pid), time.perf_counter() - begun)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 10)
        process.kill()
        process.wait()
        log.close()


def _popen(command: Sequence[str], environment: Mapping[str, str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


async def _ready(process: subprocess.Popen[bytes], url: str, at: Place) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=at.trust(), force_close=True)) as session:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SystemExit(f"{process.args!r} ended with {process.returncode}; see the logs in {at.folder}.")
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.01)
    raise SystemExit(f"{process.args!r} was not ready in {START_SECONDS:g} s; see the logs in {at.folder}.")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
