"""Tells when something in a folder changes, by the kernel's word: looking all the time costs every idle bot."""

import asyncio
import contextlib
import ctypes
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

# From <sys/inotify.h>: written and closed, moved away, moved here, created, deleted.
_EVENTS = 0x8 | 0x40 | 0x80 | 0x100 | 0x200
_READ_BYTES = 64 * 1024


@contextlib.contextmanager
def watching(directory: Path, changed: Callable[[], None]) -> Iterator[bool]:
    """Call `changed` in the running loop for every change; yields whether the kernel will tell."""
    try:
        descriptor = _descriptor(directory)
    except OSError as error:
        logger.warning("changes of the config are not told by the kernel", extra={"error": error.strerror})
        yield False
        return

    def readable() -> None:
        # What happened is of no interest: whoever is called looks for himself.
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, _READ_BYTES)
        changed()

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, readable)
    try:
        yield True
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _descriptor(directory: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise _os_error()
    if libc.inotify_add_watch(descriptor, os.fsencode(directory), _EVENTS) < 0:
        error = _os_error()
        os.close(descriptor)
        raise error
    return descriptor


def _os_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
