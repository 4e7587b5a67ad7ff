"""What tells that a mounted file has changed."""

from pathlib import Path

FileVersion = tuple[int, int, int] | None


def file_version(path: Path) -> FileVersion:
    """Return what changes when the file does: Kubernetes swaps a link, so the inode is new each time."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
