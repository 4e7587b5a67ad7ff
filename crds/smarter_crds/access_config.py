"""The part of the contract between operator and runtime that says who may call a bot, and from which web pages."""

from typing import Literal

from smarter_crds.base import ApiModel


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


class OriginsConfig(ApiModel):
    """Web pages of other origins; `https://*.shop.example` stands for all subdomains."""

    allowed: tuple[str, ...] = ()
    """May call the API from a browser."""
    frame_ancestors: tuple[str, ...] = ()
    """May embed the chat page."""
