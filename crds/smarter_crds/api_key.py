"""The ApiKey resource: a key with which programs call the API of Chatbots."""

from typing import Literal

from pydantic import AwareDatetime, Field

from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.fields import ObjectName, SetOf, Sha256, ShortText
from smarter_crds.limits import Budget, KeyLimits
from smarter_crds.status import SharedStatus

ScopeType = Literal["Namespace", "Listed"]


class KeyScope(ApiModel):
    """Which Chatbots the key opens."""

    rules = (
        Rule(
            cel="self.type != 'Listed' || has(self.chatbots) && size(self.chatbots) > 0",
            message="`scope.chatbots` is required when `scope.type` is `Listed`",
            holds=lambda scope: scope.type != "Listed" or len(scope.chatbots) > 0,
        ),
    )

    type: ScopeType = Field(
        description="`Namespace`: all Chatbots of the key's namespace. `Listed`: those named in `chatbots`."
    )
    chatbots: SetOf[ObjectName] = Field(
        (), max_length=1000, description="Names of Chatbots in the same namespace, for type `Listed`."
    )


class Digest(ApiModel):
    """The digest of a token that was made elsewhere."""

    sha256: Sha256 = Field(description="SHA-256 of the token, 64 hex digits in lower case.")
    not_after: AwareDatetime | None = Field(
        None, description="Until when the token is valid. Default: as long as the key."
    )


class Generate(ApiModel):
    """Asks the operator to make the token."""

    rotation: int = Field(ge=1, le=1_000_000, description="Number of the token; raising it makes a new one.")


class ApiKeySpec(ApiModel):
    """What a key opens, and for how long."""

    rules = (
        Rule(
            cel="has(self.digests) != has(self.generate)",
            message="exactly one of `digests` and `generate` is required",
            holds=lambda spec: ("digests" in spec.model_fields_set) != (spec.generate is not None),
        ),
    )

    scope: KeyScope = Field(description="Which Chatbots the key opens.")
    display_name: ShortText | None = Field(
        None, description="Name of the key, for people. Default: the resource's name."
    )
    expires_at: AwareDatetime | None = Field(None, description="Until when the key is valid. Default: for ever.")
    disabled: bool | None = Field(None, description="Whether the key is refused for the time being. Default: false.")
    overlap_seconds: int | None = Field(
        None,
        ge=0,
        le=31_536_000,
        description="How long the old token stays valid after a rotation, in seconds. Default: 86400.",
    )
    limits: KeyLimits | None = Field(
        None, description="How much may be used with the key. Default: the bot's limits alone."
    )
    budget: Budget | None = Field(None, description="Money that may be spent with the key. Default: not limited.")
    digests: tuple[Digest, ...] = Field(
        (),
        min_length=1,
        max_length=8,
        description="Digests of tokens that were made elsewhere; two overlap during a rotation. Either this or "
        "`generate` is "
        "required.",
    )
    generate: Generate | None = Field(
        None, description="Asks the operator to make the token and a Secret that holds it. Either this or `digests`."
    )


class IssuedDigest(ApiModel):
    """A token that the operator made."""

    sha256: str = Field(max_length=64, description="SHA-256 of the token.")
    rotation: int = Field(0, ge=0, description="Number of the token.")
    secret_name: str | None = Field(
        None,
        max_length=253,
        description="Secret that holds the token. Left out until it is made; the token is not valid before.",
    )
    not_after: AwareDatetime | None = Field(None, description="Until when the token is valid. Left out for the newest.")


class ApiKeyStatus(SharedStatus):
    """What the operator observed of an ApiKey."""

    issued: tuple[IssuedDigest, ...] = Field(
        (), max_length=8, description="Tokens that the operator made: the newest, and those that still overlap."
    )


class ApiKey(ApiModel):
    """A key with which programs call the API of Chatbots."""

    metadata: Metadata
    spec: ApiKeySpec
    status: ApiKeyStatus = ApiKeyStatus()
