"""Who a person is, by the word of the customer's site: a signed token (JWT), verified before anything is believed."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smarter_runtime.errors import ApiError, unauthorized

CODE = "invalid_identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person whom the site has vouched for."""

    id: str
    """The same for the same person at any time; it cannot be turned back into the name."""
    until: int
    """When the site's word ends, in seconds since 1970."""
    claims: Mapping[str, Any] = field(default_factory=dict)

    def with_claims(self, names: Iterable[str]) -> "Identity":
        """Return the identity with no other claims than these."""
        return replace(self, claims={name: self.claims[name] for name in sorted(names) if name in self.claims})


def identity(claims: Mapping[str, Any]) -> Identity:
    """Return the identity that verified claims stand for."""
    return Identity(identity_id(claims["iss"], claims["sub"]), int(claims["exp"]), claims)


def identity_id(issuer: str, subject: str) -> str:
    """Return the id of the person whom `issuer` calls `subject`."""
    who = f"{issuer}\n{subject}".encode()
    return f"identity:{hashlib.sha256(who).hexdigest()[:32]}"


def refused(why: str) -> ApiError:
    return unauthorized(CODE, f"The identity is not accepted: {why}.")
