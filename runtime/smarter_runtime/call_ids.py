"""The ids under which clients get calls of their own tools: signed, so that only what we gave out comes back."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from smarter_runtime.signing_key import SigningKey

_PREFIX = "call_"
_TURN_BYTES = 9
_HEAD_BYTES = _TURN_BYTES + 1
_SIGNATURE_BYTES = 16
# 40 characters in all, which every provider takes.
_ID = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{35}}")


@dataclass(frozen=True, slots=True)
class CallId:
    """What an id says."""

    turn: str
    """The same for all calls of one answer."""
    number: int
    """The call's place among them."""
    needs_results: bool
    """Whether the answer cannot go on without what waits under `turn`."""


def new_turn() -> str:
    return secrets.token_hex(_TURN_BYTES)


class CallIds:
    """Writes and reads ids; each is good for one owner, which is one caller of one bot, and for one tool."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def write(self, id_: CallId, tool: str, owner: str) -> str:
        head = bytes.fromhex(id_.turn) + bytes([id_.number << 1 | id_.needs_results])
        return _PREFIX + _encoded(head + self._signature(head, tool, owner))

    def read(self, text: str, tool: str, owner: str) -> CallId | None:
        """Return what `text` says; None: it was not given out to `owner` for a call of `tool`."""
        if not _ID.fullmatch(text):
            return None
        raw = base64.urlsafe_b64decode(f"{text.removeprefix(_PREFIX)}=")
        # The last character has bits that stand for nothing: of its spellings, one is right.
        if _PREFIX + _encoded(raw) != text:
            return None
        head, signature = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
        if not hmac.compare_digest(signature, self._signature(head, tool, owner)):
            return None
        flags = head[_TURN_BYTES]
        return CallId(head[:_TURN_BYTES].hex(), flags >> 1, bool(flags & 1))

    def _signature(self, head: bytes, tool: str, owner: str) -> bytes:
        text = b"\x00".join((head.hex().encode(), tool.encode(), owner.encode()))
        return hmac.new(self._key.derived("call"), text, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
