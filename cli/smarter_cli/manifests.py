"""Reading manifests from files, as `kubectl apply -f` does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Files of a folder that are read."""

DEFAULT_NAMESPACE = "default"

# The loader in C is ten times as fast, and libyaml may be missing.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class InputError(Exception):
    """What was given cannot be used; the text names the thing, the fault and the way out."""


@dataclass(frozen=True)
class Document:
    """One resource, and the file it came from."""

    manifest: Manifest
    file: Path

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"].get("namespace") or DEFAULT_NAMESPACE)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the files to read: each that is named, and of a folder those directly in it.

    Raises:
        InputError: when one does not exist, or a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
            if not inside:
                raise InputError(f"Folder {path} holds no file that ends in .yaml, .yml or .json.")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist.")
    return list(dict.fromkeys(found))


def read(files: Iterable[Path]) -> list[Document]:
    """Return every resource in `files`.

    Raises:
        InputError: when a file cannot be read or holds something else.
    """
    documents = [document for file in files for document in _documents(file)]
    seen: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        key = (document.kind, document.namespace, document.name)
        if earlier := seen.get(key):
            where = f"in {document.file}" if earlier.file == document.file else f"in {earlier.file} and {document.file}"
            raise InputError(f"{document.kind} {document.name!r} is there twice, {where}; remove one.")
        seen[key] = document
    return documents


def _documents(file: Path) -> Iterator[Document]:
    for manifest in _loaded(file):
        if manifest is None:
            continue
        if isinstance(manifest, dict) and manifest.get("kind") == "List":
            yield from (_document(item, file) for item in manifest.get("items") or [])
        else:
            yield _document(manifest, file)


def _loaded(file: Path) -> list[Any]:
    try:
        return list(yaml.load_all(file.read_text(encoding="utf-8"), _Loader))
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}, line {mark.line + 1}" if mark else str(file)
        raise InputError(f"{place} is not YAML: {getattr(error, 'problem', None) or error}.") from error


def _document(manifest: object, file: Path) -> Document:
    if not isinstance(manifest, dict) or not all(manifest.get(key) for key in ("apiVersion", "kind")):
        raise InputError(f"{file} holds a document without `apiVersion` and `kind`; it is no Kubernetes resource.")
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise InputError(f"{file}: a {manifest['kind']} has no `metadata.name`; add one.")
    return Document(manifest, file)
