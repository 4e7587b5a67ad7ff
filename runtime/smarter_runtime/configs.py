"""Which config is in service: reading the mounted files, checking them whole, and keeping the last good one."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from pydantic import ValidationError

from smarter_crds.runtime_config import (
    CONFIG_KEY,
    GOOD_CONFIG_KEY,
    SCHEMA_VERSION,
    RuntimeConfig,
    RuntimeProblem,
    config_hash,
    unpack,
)
from smarter_runtime.bot import Bot, ConfigRefused, prepared
from smarter_runtime.files import file_version
from smarter_runtime.tools.functions import NO_WEATHER, Platform

logger = logging.getLogger(__name__)
MAX_FAULTS_TOLD = 3


class BrokenConfig(Exception):
    """The file holds no config that can be served; `reason` is one word for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Loaded:
    """What came of reading the files."""

    bot: Bot | None
    problems: tuple[RuntimeProblem, ...]


class Configs:
    """Holds the bot in service. Whoever serves a request takes `bot` once and keeps it to the end."""

    def __init__(self, directory: Path, clock: Callable[[], datetime], platform: Platform = NO_WEATHER) -> None:
        self._directory = directory
        self._clock = clock
        self._platform = platform
        self._seen: object = None
        self.bot: Bot | None = None
        self.problems: tuple[RuntimeProblem, ...] = ()

    async def refresh(self) -> bool:
        """Look whether the files have changed and load them if so; returns whether they had."""
        seen = _version(self._directory)
        if seen == self._seen:
            return False
        self._seen = seen
        # Large configs take a while to check; streams go on meanwhile.
        loaded = await asyncio.to_thread(load, self._directory, self.bot, self._clock(), self._platform)
        self._serve(loaded)
        return True

    def _serve(self, loaded: Loaded) -> None:
        for problem in loaded.problems:
            logger.error("config problem", extra={"reason": problem.reason, "text": problem.message})
        if loaded.bot is not None and loaded.bot is not self.bot:
            logger.info("config in service", extra={"configHash": loaded.bot.config_hash})
        self.bot, self.problems = loaded.bot, loaded.problems


def load(directory: Path, current: Bot | None, now: datetime, platform: Platform = NO_WEATHER) -> Loaded:
    """Return the bot to serve: of `config`, else the one in service, else of `good`."""
    try:
        return Loaded(_read(directory / CONFIG_KEY, current, now, platform), ())
    except BrokenConfig as error:
        broken = error
    if current is not None:
        return Loaded(current, (_problem(broken, " The config before it stays in service."),))
    try:
        good = _read(directory / GOOD_CONFIG_KEY, None, now, platform)
        return Loaded(good, (_problem(broken, f" `{GOOD_CONFIG_KEY}`, the last good config, is in service."),))
    except BrokenConfig as error:
        return Loaded(None, (_problem(broken), _problem(error)))


def _problem(error: BrokenConfig, remark: str = "") -> RuntimeProblem:
    return RuntimeProblem(reason=error.reason, message=f"{error}{remark}")


def _read(path: Path, current: Bot | None, now: datetime, platform: Platform) -> Bot:
    try:
        document = unpack(path.read_bytes())
    except OSError as error:
        raise BrokenConfig("ConfigUnreadable", f"Cannot read `{path.name}`: {error.strerror}.") from error
    except ValueError as error:
        raise BrokenConfig("ConfigInvalid", f"Cannot unpack `{path.name}`: {error}.") from error
    digest = config_hash(document)
    if current is not None and current.config_hash == digest:
        return current
    return _prepared(document, digest, path.name, now, platform)


def _prepared(document: bytes, digest: str, name: str, now: datetime, platform: Platform) -> Bot:
    try:
        value = orjson.loads(document)
        version = value.get("schemaVersion", SCHEMA_VERSION) if isinstance(value, dict) else 0
        if version > SCHEMA_VERSION:
            text = (
                f"`{name}` has schemaVersion {version}; this runtime reads up to {SCHEMA_VERSION}: use a newer image."
            )
            raise BrokenConfig("ConfigTooNew", text)
        return prepared(RuntimeConfig.model_validate(value), digest, now, platform)
    except ValidationError as error:
        raise BrokenConfig("ConfigInvalid", f"`{name}` is no valid config: {_faults(error)}.") from error
    except ConfigRefused as error:
        raise BrokenConfig("ConfigInvalid", f"`{name}` cannot be served: {error}") from error
    except (ValueError, TypeError) as error:
        raise BrokenConfig("ConfigInvalid", f"`{name}` is not the JSON of a config.") from error


def _faults(error: ValidationError) -> str:
    """Return where the faults are; their values stay out, for headers may be confidential."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    told = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:MAX_FAULTS_TOLD]]
    return "; ".join(told) + (f"; and {len(faults) - len(told)} more" if len(faults) > len(told) else "")


def _version(directory: Path) -> object:
    return tuple(file_version(directory / name) for name in (CONFIG_KEY, GOOD_CONFIG_KEY))
