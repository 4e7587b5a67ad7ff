"""Verifies signed identities: algorithm, signature, issuer, audience and times. Loaded only by bots that need it."""

from collections.abc import Mapping
from typing import Any

import jwt

from smarter_crds.access_config import IdentityConfig
from smarter_runtime.identity import Identity, identity, refused

MAX_CHARACTERS = 8192
LEEWAY_SECONDS = 60
"""Clocks differ."""
# Signatures that only the holder of a private key can make. With a shared secret, whoever verifies could sign.
ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
_REQUIRED = ["exp", "iss", "aud", "sub"]
_FAULTS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "it is for another audience"),
    (jwt.InvalidIssuerError, "it is from another issuer"),
    (jwt.MissingRequiredClaimError, "it lacks one of the claims exp, iss, aud and sub"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidKeyError, "the key that signed it is not fit for that"),
)
Jwk = dict[str, Any]


def looks_like_jwt(token: str) -> bool:
    """Tell whether `token` is meant to be one: sessions have three parts, too."""
    if token.count(".") != 2 or len(token) > MAX_CHARACTERS:
        return False
    try:
        return "alg" in jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return False


def key_id(token: str) -> str:
    """Return the id of the key that the token names; empty where it names none.

    Raises:
        ApiError: when it is no token.
    """
    return str(_header(token).get("kid") or "")


def verified(token: str, jwk: Jwk, config: IdentityConfig) -> Identity:
    """Return whom `token` is about, if the key `jwk` has signed it.

    Raises:
        ApiError: 401, with what is wrong.
    """
    algorithm = str(_header(token).get("alg"))
    if algorithm not in ALGORITHMS.get(str(jwk.get("kty")), ()) or jwk.get("alg", algorithm) != algorithm:
        raise refused(f"its key does not sign by {algorithm[:16]!r}")
    try:
        claims = jwt.decode(
            token,
            jwt.PyJWK(jwk, algorithm=algorithm),
            algorithms=[algorithm],
            audience=config.audience,
            issuer=config.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise refused(_why(error)) from error
    if not claims["sub"]:
        raise refused("its claim sub is empty")
    return identity(claims)


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_CHARACTERS:
        raise refused(f"it has more than {MAX_CHARACTERS} characters")
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise refused("it is no signed token (JWT) that can be read here") from error


def _why(error: jwt.PyJWTError) -> str:
    return next((text for kind, text in _FAULTS if isinstance(error, kind)), "it is no valid token")
