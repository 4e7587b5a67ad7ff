"""Who may talk to a Chatbot."""

from typing import Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.fields import AllowedCidrs, RequiredText, Url

AccessMode = Literal["Public", "ApiKey"]
Challenge = Literal["None", "ProofOfWork"]


class Identity(ApiModel):
    """How the signed identity (JWT) of an end user is verified."""

    issuer: Url = Field(description="Value that the token's claim `iss` must have.")
    jwks_url: Url = Field(description="Address of the JSON Web Key Set that holds the issuer's public keys.")
    audience: RequiredText = Field(description="Value that the token's claim `aud` must contain.")
    allowed_cidrs: AllowedCidrs = ()


class Access(ApiModel):
    """Who may talk to the bot."""

    mode: AccessMode | None = Field(
        None,
        description="`Public`: everybody, by a visitor session, an identity or a key. `ApiKey`: only holders of an "
        "ApiKey. "
        "Default: `Public`.",
    )
    identity: Identity | None = Field(
        None,
        description="Signed identity of the end user, for plugins and conversations. Default: end users are anonymous.",
    )
    challenge: Challenge | None = Field(
        None,
        description="What a browser must do before it gets a visitor session: `None`, or `ProofOfWork`: compute, for "
        "about a second, which a person hardly notices and which makes sessions by the thousand dear. Visitors with a "
        "signed identity need not. Default: `None`.",
    )
