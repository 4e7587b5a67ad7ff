"""Keys and authorities from files, read when they are needed and again when they have changed."""

from pathlib import Path

from smarter_runtime.events import ModelFailed
from smarter_runtime.files import FileVersion, file_version
from smarter_runtime.secret_files import SecretFiles, SecretMissing


class KeyFiles:
    """The folder with the mounted Secrets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = SecretFiles(directory)
        self._read: dict[str, tuple[FileVersion, str]] = {}

    def key(self, name: str) -> str:
        """Return the key in the file `name`.

        Raises:
            ModelFailed: when there is none; the text names no file, for visitors read it.
        """
        return self._content(name, "This chatbot has no key for its model provider.")

    def authorities(self, name: str) -> str:
        """Return the authorities in the file `name`, in PEM; no name, no authorities.

        Raises:
            ModelFailed: when the file has none.
        """
        return self._content(name, "This chatbot cannot verify its model provider.") if name else ""

    def fault(self, name: str) -> str:
        """Return why there is nothing in the file `name`; empty when there is."""
        version = file_version(self._directory / name)
        if version is None or name not in self._read or self._read[name][0] != version:
            try:
                self._read[name] = (version, self._files.text(name))
            except SecretMissing as missing:
                return str(missing)
        return ""

    def _content(self, name: str, missing: str) -> str:
        fault = self.fault(name)
        if fault:
            raise ModelFailed("key_missing", missing, detail=fault)
        return self._read[name][1]
