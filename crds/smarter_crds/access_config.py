"""The part of the contract between operator and runtime that says who may call a bot, and from which web pages."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel

MAX_CHALLENGE_BITS = 24
"""What takes a browser about ten seconds, and an old phone a minute."""


class IdentityConfig(ApiModel):
    """How the signed identity of a person is verified."""

    issuer: str
    jwks_url: str
    audience: str
    allowed_cidrs: tuple[str, ...] = ()
    """Non-public networks in which `jwks_url` may be."""


class AccessConfig(ApiModel):
    """Who may call the bot."""

    mode: Literal["Public", "ApiKey"] = "Public"
    notice: str = ""
    """What visitors are told where only keys open the bot."""
    identity: IdentityConfig | None = None
    """None: nobody is known by an identity."""
    challenge_bits: int = Field(0, ge=0, le=MAX_CHALLENGE_BITS)
    """Zero bits that the proof of work before a visitor's session begins with; 0: none is asked for."""


class OriginsConfig(ApiModel):
    """Web pages of other origins; `https://*.shop.example` stands for all subdomains."""

    allowed: tuple[str, ...] = ()
    """May call the API from a browser."""
    frame_ancestors: tuple[str, ...] = ()
    """May embed the chat page."""
