"""The key that signs what the bot gives out: the mounted file, or one of this process while there is none."""

import hashlib
import hmac
import logging
import secrets
from pathlib import Path

from smarter_crds.runtime_config import RuntimeProblem
from smarter_crds.session_key import SESSION_KEY_BYTES, SESSION_KEY_FILE, SESSION_KEY_MISSING
from smarter_runtime.files import file_version

logger = logging.getLogger(__name__)

_NEVER_LOOKED = object()


class SigningKey:
    """All pods of a bot have the same one. It outlives them, and is replaced when somebody deletes its Secret."""

    def __init__(self, secrets_directory: Path) -> None:
        self._path = secrets_directory / SESSION_KEY_FILE
        self._seen: object = _NEVER_LOOKED
        self._bytes = secrets.token_bytes(SESSION_KEY_BYTES)
        self.problems: tuple[RuntimeProblem, ...] = ()

    def derived(self, purpose: str) -> bytes:
        """Return the key for one purpose, so that what is signed for one is worth nothing for another."""
        return hmac.new(self._bytes, purpose.encode(), hashlib.sha256).digest()

    def refresh(self) -> bool:
        """Look whether the file has changed and read it if so; returns whether it had.

        A key that was read stays in use when its file goes: whoever talks to the bot need not notice.
        """
        seen = file_version(self._path)
        if seen == self._seen:
            return False
        self._seen = seen
        fault = self._read()
        self.problems = (fault,) if fault else ()
        if fault:
            logger.error("session key problem", extra={"reason": fault.reason, "text": fault.message})
        else:
            logger.info("session key in force")
        return True

    def _read(self) -> RuntimeProblem | None:
        try:
            found = self._path.read_bytes()
        except OSError as error:
            said = f"Cannot read the file `{self._path.name}`: {error.strerror}. The pod signs sessions with a key"
            return RuntimeProblem(
                reason=SESSION_KEY_MISSING, message=f"{said} that other pods may not have, until there is one."
            )
        if len(found) < SESSION_KEY_BYTES:
            said = f"The file `{self._path.name}` holds {len(found)} bytes, and a key has {SESSION_KEY_BYTES} or more"
            return RuntimeProblem(
                reason="SessionKeyInvalid",
                message=f"{said}; delete the Secret named in `status.sessionSecret`, and it is made anew.",
            )
        self._bytes = found
        return None
