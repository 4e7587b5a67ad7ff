"""Proofs of work: what a browser computes before it gets a session, so that sessions by the thousand cost something.

The proof is a number with which the SHA-256 of `<challenge>:<number>` begins with as many zero bits as were asked for.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smarter_runtime.errors import NO_RETRY, ApiError
from smarter_runtime.signing_key import SigningKey

GOOD_FOR = timedelta(minutes=5)
_NONCE_BYTES = 16
_TOKEN = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9]{1,2})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")
_SOLUTION = re.compile(r"[0-9]{1,16}")
_HASH_BITS = 256


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is to be solved."""

    token: str
    difficulty: int
    """Zero bits that the hash begins with."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says to have solved; None: nothing."""

    challenge: str | None
    solution: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Work that was done, and is good once."""

    nonce: str
    until_ms: int
    """When its challenge is over."""


class Challenges:
    """Gives out challenges and checks proofs; it remembers nothing, so any pod of a bot takes those of the others."""

    def __init__(self, key: SigningKey, clock: Callable[[], datetime]) -> None:
        self._key, self._clock = key, clock

    def new(self, difficulty: int, bot_uid: str) -> Challenge:
        until = int((self._clock() + GOOD_FOR).timestamp())
        said = f"{secrets.token_urlsafe(_NONCE_BYTES)}.{difficulty}.{until}"
        return Challenge(f"{said}.{self._signature(said, bot_uid)}", difficulty)

    def proven(self, claim: Claim, difficulty: int, bot_uid: str) -> Proof:
        """Return the proof that is claimed; the caller sees that it is its first use.

        Raises:
            ApiError: when it is none, or not for a challenge of this bot that is open and asks for `difficulty`.
        """
        token, solution = claim.challenge, claim.solution
        if token is None:
            text = "This chatbot asks for a proof of work; POST /app/v1/challenge gives a challenge to solve."
            raise ApiError(
                403, "challenge_required", text, param="challenge", kind="permission_error", headers=NO_RETRY
            )
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise _malformed("challenge")
        if solution is None or not _SOLUTION.fullmatch(solution):
            raise _malformed("solution")
        nonce, bits, until, signature = parts.groups()
        if not hmac.compare_digest(signature, self._signature(f"{nonce}.{bits}.{until}", bot_uid)):
            raise _refusal(
                "challenge_invalid", f"The challenge is not from this chatbot, or older than its key; {_NEW}."
            )
        if self._clock().timestamp() >= int(until) or int(bits) < difficulty:
            minutes = int(GOOD_FOR.total_seconds() // 60)
            text = f"The challenge is over: it was good for {minutes} minutes, and until more was asked for; {_NEW}."
            raise _refusal("challenge_expired", text)
        if _zero_bits(f"{parts.string}:{solution}") < int(bits):
            text = f"The SHA-256 of `<challenge>:<solution>` does not begin with {bits} zero bits."
            raise _refusal("challenge_unsolved", text, "solution")
        return Proof(nonce, 1000 * int(until))

    def _signature(self, said: str, bot_uid: str) -> str:
        digest = hmac.new(self._key.derived("challenge"), f"{bot_uid}\n{said}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


_NEW = "POST /app/v1/challenge gives a new one"
_FORMS = {
    "challenge": "must be one that POST /app/v1/challenge gave",
    "solution": "must be 1 to 16 digits, in quotation marks",
}


def claimed(body: Mapping[str, Any]) -> Claim:
    """Return what the body of a request claims.

    Raises:
        ApiError: when it is no text.
    """
    for name in _FORMS:
        if not isinstance(body.get(name), str | None):
            raise _malformed(name)
    return Claim(body.get("challenge"), body.get("solution"))


def used() -> ApiError:
    """Return the error of a proof that has bought its session."""
    text = f"This challenge has been used, and each is good for one session; {_NEW}."
    return ApiError(409, "challenge_used", text, param="challenge", headers=NO_RETRY)


def _zero_bits(text: str) -> int:
    return _HASH_BITS - int.from_bytes(hashlib.sha256(text.encode()).digest()).bit_length()


def _malformed(name: str) -> ApiError:
    return _refusal("challenge_malformed", f"`{name}` {_FORMS[name]}.", name)


def _refusal(code: str, text: str, param: str = "challenge") -> ApiError:
    return ApiError(400, code, text, param=param, headers=NO_RETRY)
