"""Files that are either whole or absent, and locks that end with their process."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Write `content` to `path` in one step; say whether that changed anything."""
    raw = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == raw:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(raw)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the kernel frees it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder on the file system of `parent`, from which results are moved by one rename."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=".tmp-"))
    try:
        yield folder
    finally:
        remove(folder)


def publish(source: Path, target: Path) -> None:
    """Move a finished file or folder to its place, replacing what half a run may have left there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not source.is_file():
        remove(target)
    source.replace(target)


def remove(folder: Path) -> None:
    """Delete a folder and everything in it, also what was made read-only, like Go's module cache."""

    def writable(function: object, path: str, _error: object) -> None:
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink(missing_ok=True)

    if folder.exists():
        shutil.rmtree(folder, onerror=writable)
