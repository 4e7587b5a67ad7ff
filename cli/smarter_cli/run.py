"""`smarter run`: serves one Chatbot from its manifests, and again whenever they change."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from smarter_cli import settings
from smarter_cli.manifests import SUFFIXES, InputError, files_of, read
from smarter_cli.runtime_process import RuntimeProcess, start

LIVE_SECONDS = 10.0
"""How long a changed config may take until the runtime has taken it in."""

SETTLE_MILLISECONDS = 60
"""How long the files must be quiet before they are read: editors write in several steps."""


# By its name in `smarter_crds.session_key`; importing that would load every model before the runtime is started.
SESSION_KEY_FILE = "session-key"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    paths: tuple[Path, ...]
    chatbot: str
    port: int
    env_file: Path
    with_store: bool


@dataclass(frozen=True)
class Terminal:
    """Where people read what happens: `tell` for what they asked for, `warn` for what they should know."""

    tell: Callable[[str], None]
    warn: Callable[[str], None]


class Folders:
    """The folders that stand in for a pod's volumes."""

    def __init__(self, root: Path) -> None:
        self.config = root / "config"
        self.secrets = root / "secrets"
        self.data = root / "data"
        self.config.mkdir()
        self.secrets.mkdir(mode=0o700)
        self.data.mkdir(mode=0o700)
        # What a bot signs is good as long as this command runs.
        (self.secrets / SESSION_KEY_FILE).write_text(token_urlsafe(48), encoding="utf-8")


@contextlib.contextmanager
def folders() -> Iterator[Folders]:
    """Make the folders, and remove them with everything in them at the end."""
    with tempfile.TemporaryDirectory(prefix="smarter-run-") as root:
        yield Folders(Path(root))


async def run(options: Options, terminal: Terminal) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        InputError: when there is nothing to serve, or the runtime ends by itself.
    """
    stop = _told_to_stop()
    files_of(options.paths)
    with folders() as made:
        # Started first: it loads its libraries while the manifests are read.
        process = await start(made.config, made.secrets, made.data, options.port, settings.environment(), terminal.warn)
        try:
            bot = _Bot(options, made, process, terminal)
            following = asyncio.create_task(bot.follow_changes(stop))
            await bot.serve()
            await _until_first(stop.wait(), process.wait(), following)
            if not stop.is_set():
                raise InputError("The runtime ended by itself; what it said stands above.")
        finally:
            await process.end()


class _Bot:
    """The bot that is served, and what was last said of it."""

    def __init__(self, options: Options, made: Folders, process: RuntimeProcess, terminal: Terminal) -> None:
        self._options = options
        self._folders = made
        self._process = process
        self._terminal = terminal
        self._warned: tuple[str, ...] = ()
        self._watching = asyncio.Event()
        self._served = asyncio.Event()

    async def serve(self) -> None:
        """Take what the files hold into service, and say where it answers."""
        # Watched before they are read for the first time: an edit in between is seen later.
        await self._watching.wait()
        project, config_hash = await asyncio.to_thread(self._take)
        await self._process.listening()
        await self._process.serves(config_hash, LIVE_SECONDS)
        await self._warn(project, config_hash)
        for line in _greeting(project, self._process.api_port):
            self._terminal.tell(line)
        self._served.set()

    async def follow_changes(self, stop: asyncio.Event) -> None:
        from watchfiles import awatch

        files = {file.resolve() for file in files_of(self._options.paths)} | {self._options.env_file.resolve()}
        watched = {path.resolve() for path in self._options.paths if path.is_dir()}

        def is_ours(_: object, changed: str) -> bool:
            path = Path(changed)
            return path in files or (path.parent in watched and path.suffix in SUFFIXES)

        around = {file.parent for file in files if file.parent.is_dir()} | watched
        changes = awatch(
            *around, watch_filter=is_ours, stop_event=stop, recursive=False, debounce=SETTLE_MILLISECONDS, step=20
        )
        self._watching.set()
        async for change in changes:
            await self._served.wait()
            await self._changed(sorted({Path(path).name for _, path in change}))

    async def _changed(self, names: Sequence[str]) -> None:
        started = time.perf_counter()
        what = f"{time.strftime('%H:%M:%S')} {', '.join(names)} changed"
        try:
            project, config_hash = await asyncio.to_thread(self._take)
        except InputError as error:
            self._terminal.warn(f"{what}, and what was served before goes on: {error}")
            return
        status = await self._process.serves(config_hash, LIVE_SECONDS)
        if status["configHash"] == config_hash:
            self._terminal.tell(f"{what}: live after {time.perf_counter() - started:.1f} s.")
        await self._warn(project, config_hash)

    def _take(self) -> tuple[Any, str]:
        """Read, compile and hand over to the runtime."""
        # Imported while the runtime starts: together they need as long as the slower of the two.
        from smarter_cli import project, secrets
        from smarter_crds.runtime_config import CONFIG_KEY, pack

        documents = read(files_of(self._options.paths))
        found = project.load(documents, self._options.chatbot, with_store=self._options.with_store)
        if found.compiled.problems:
            raise InputError(" ".join(problem.message for problem in found.compiled.problems))
        variables = settings.with_file(self._options.env_file)
        known = secrets.values(found.compiled.secrets, documents, found.namespace, variables)
        secrets.write(self._folders.secrets, known)
        scratch = self._folders.config.parent / "config.new"
        scratch.write_bytes(pack(found.compiled.document))
        scratch.replace(self._folders.config / CONFIG_KEY)
        self._missing = secrets.missing(found.compiled.secrets, known)
        return found, found.compiled.hash

    async def _warn(self, project: Any, config_hash: str) -> None:
        """Say what should be known, once, until it changes."""
        status = await self._process.status()
        compiled = project.compiled
        problems = [problem.message for problem in compiled.plugin_problems]
        # A key that is missing is reported by the runtime as well, in the words of a pod.
        told = [] if self._missing else [problem["message"] for problem in status["problems"]]
        warnings = (*problems, *compiled.warnings, *self._missing, *told, *project.notes)
        for warning in warnings:
            if warning not in self._warned:
                self._terminal.warn(warning)
        self._warned = warnings


def _greeting(project: Any, port: int) -> Iterator[str]:
    plugins = ", ".join(plugin.name for plugin in project.compiled.plugins) or "none"
    yield f"Chatbot {project.namespace}/{project.name} answers at http://localhost:{port}"
    yield f"  model    {project.compiled.model}"
    yield f"  plugins  {plugins}"
    yield f"  API      http://localhost:{port}/v1"
    yield "A change of its files is live at once; Ctrl-C ends it."


def _told_to_stop() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until_first(*waits: Any) -> None:
    """Wait until one of them is over, and end the others; a failure is raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()
