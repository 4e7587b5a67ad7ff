"""Where the values of Secrets come from when there is no cluster: a Secret among the manifests, or a variable."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from smarter_cli.manifests import Document, InputError
from smarter_crds.compile import SecretFile
from smarter_crds.session_key import SESSION_KEY_FILE


def variable(secret_name: str, key: str) -> str:
    """Return the variable that holds a Secret's key: `OPENAI_API_KEY` for key `api-key` of Secret `openai`."""
    return re.sub(r"[^A-Z0-9]+", "_", f"{secret_name}_{key}".upper())


def values(
    files: Iterable[SecretFile], documents: Sequence[Document], namespace: str, variables: Mapping[str, str]
) -> dict[str, str]:
    """Return the content of each file whose value is known, by path. A Secret among the manifests goes first.

    Raises:
        InputError: when a Secret's data is not base64 of text.
    """
    secrets = {
        document.name: document
        for document in documents
        if (document.kind, document.namespace) == ("Secret", namespace)
    }
    found = {file.path: _value(file, secrets.get(file.secret_name), variables) for file in files}
    return {path: value for path, value in found.items() if value}


def missing(files: Iterable[SecretFile], known: Mapping[str, str]) -> list[str]:
    """Return a sentence for each Secret whose value is not known."""
    return [
        f"Key {file.key!r} of Secret {file.secret_name!r} is not known; set {variable(file.secret_name, file.key)} in "
        "the environment or in .env."
        for file in files
        if file.path not in known
    ]


def write(directory: Path, known: Mapping[str, str]) -> None:
    """Write what changed, readable by this user only, and remove what is not wanted any more but the session key."""
    for path in directory.iterdir():
        if path.name not in (*known, SESSION_KEY_FILE):
            path.unlink()
    for name, value in known.items():
        target = directory / name
        if not target.exists() or target.read_text(encoding="utf-8") != value:
            scratch = directory.parent / "secret"
            scratch.write_text(value, encoding="utf-8")
            scratch.chmod(0o600)
            scratch.replace(target)


def _value(file: SecretFile, secret: Document | None, variables: Mapping[str, str]) -> str:
    if secret is not None:
        plain = (secret.manifest.get("stringData") or {}).get(file.key)
        if plain is not None:
            return str(plain)
        encoded = (secret.manifest.get("data") or {}).get(file.key)
        if encoded is not None:
            return _decoded(str(encoded), secret, file.key)
    return variables.get(variable(file.secret_name, file.key), "")


def _decoded(encoded: str, secret: Document, key: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{secret.file}: `data.{key}` of Secret {secret.name!r} is not base64 of text; "
            "use `stringData` for plain text."
        ) from error
