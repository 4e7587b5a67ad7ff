"""The mounted Secrets as files: read when they are needed, and again when they have changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from smarter_runtime.files import FileVersion, file_version


class SecretMissing(Exception):
    """There is nothing in the file; the message says why, and holds nothing secret."""


class SecretFiles:
    """The folder with the mounted Secrets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._digests: dict[str, tuple[FileVersion, str]] = {}

    def path(self, name: str) -> Path:
        """Return where the file `name` is.

        Raises:
            SecretMissing: when it lies elsewhere than in the folder.
        """
        path = self._directory / name
        if not path.resolve().is_relative_to(self._directory.resolve()):
            raise SecretMissing(f"`{name}` lies outside the secrets folder.")
        return path

    def text(self, name: str) -> str:
        """Return what the file `name` holds, without blanks around it.

        Raises:
            SecretMissing: when it cannot be read or is empty.
        """
        try:
            text = self.path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretMissing(f"Cannot read the file `{name}`: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise SecretMissing(f"Cannot read the file `{name}`: it is no text.") from error
        if not text:
            raise SecretMissing(f"The file `{name}` is empty.")
        return text

    def versions(self, names: Iterable[str]) -> tuple[FileVersion, ...]:
        """Return what changes when one of the files does."""
        return tuple(file_version(self._directory / name) for name in names)

    def state(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return what changes when what one of the files holds does."""
        return tuple(self._digest(name) for name in names)

    def _digest(self, name: str) -> str:
        # Kubernetes writes all files of a volume anew when one of them changes.
        version = file_version(self._directory / name)
        if name not in self._digests or self._digests[name][0] != version:
            try:
                content = (self._directory / name).read_bytes()
            except OSError:
                content = b""
            self._digests[name] = version, hashlib.sha256(content).hexdigest()
        return self._digests[name][1]
