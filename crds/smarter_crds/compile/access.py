"""Who may talk to a bot and from which web pages: what the spec says, as the bot's config has it."""

from collections.abc import Iterable, Iterator

from smarter_crds.access import Access, Identity
from smarter_crds.access_config import AccessConfig, IdentityConfig, OriginsConfig
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import languages
from smarter_crds.compile.dialled import url_problems
from smarter_crds.compile.model import Platform
from smarter_crds.compile.problems import Problem
from smarter_crds.exposure import Exposure
from smarter_crds.runtime_config import PluginConfig

_IDENTITY = "spec.access.identity"


def access_config(chatbot: Chatbot, language: str, platform: Platform) -> AccessConfig:
    access = chatbot.spec.access or Access()
    is_key_only = access.mode == "ApiKey"
    is_challenged = access.challenge == "ProofOfWork" and not is_key_only
    return AccessConfig(
        mode="ApiKey" if is_key_only else "Public",
        notice=languages.key_only(language) if is_key_only else "",
        identity=_identity(access.identity) if access.identity else None,
        challenge_bits=platform.challenge_bits if is_challenged else 0,
    )


def oldest_reader(chatbot: Chatbot, access: AccessConfig) -> int:
    """Return the lowest `schemaVersion` of a runtime that does no harm with the bot's config."""
    if access.challenge_bits:
        # A reader that knows no challenge would give sessions to whoever asks.
        return 4
    # One that knows no `budget` would spend all it can, and one that knows no `access` let everybody in.
    return 3 if chatbot.spec.budget else 1 if access.mode == "Public" else 2


def origins_config(chatbot: Chatbot) -> OriginsConfig:
    exposure = chatbot.spec.exposure or Exposure()
    return OriginsConfig(
        allowed=tuple(sorted({origin.lower() for origin in exposure.allowed_origins})),
        frame_ancestors=tuple(sorted({origin.lower() for origin in exposure.frame_ancestors})),
    )


def identity_problems(chatbot: Chatbot) -> Iterator[Problem]:
    """Yield why the identity of people cannot be verified."""
    identity = chatbot.spec.access.identity if chatbot.spec.access else None
    if identity is None:
        return
    place = f"{_IDENTITY}.allowedCIDRs"
    yield from url_problems(f"{_IDENTITY}.jwksUrl", identity.jwks_url, identity.allowed_cidrs, place)
    if identity.jwks_url.startswith("http://") and not identity.allowed_cidrs:
        yield Problem(
            "InsecureAddress",
            f"`{_IDENTITY}.jwksUrl` begins with http://, so that anybody on the way could replace the keys; use "
            f"https://, or name the network of your own that it is in, in `{place}`.",
        )


def challenge_warnings(chatbot: Chatbot) -> Iterator[str]:
    """Yield that a challenge guards nothing."""
    access = chatbot.spec.access or Access()
    if access.mode == "ApiKey" and access.challenge == "ProofOfWork":
        yield (
            "`spec.access.challenge` has no effect with `spec.access.mode: ApiKey`, for such a Chatbot gives no "
            "sessions; remove it."
        )


def identity_warnings(chatbot: Chatbot, plugins: Iterable[PluginConfig]) -> Iterator[str]:
    """Yield which plugins wait in vain for somebody to be known."""
    if chatbot.spec.access and chatbot.spec.access.identity:
        return
    for plugin in plugins:
        claims = sorted({parameter.claim for parameter in plugin.parameters if parameter.claim})
        if claims:
            yield (
                f"Plugin {plugin.name!r} takes values from the claims {', '.join(claims)} of a signed identity, and "
                f"the Chatbot has no `{_IDENTITY}`; its tool is never offered."
            )


def _identity(identity: Identity) -> IdentityConfig:
    return IdentityConfig(
        issuer=identity.issuer,
        jwks_url=identity.jwks_url,
        audience=identity.audience,
        allowed_cidrs=tuple(sorted(identity.allowed_cidrs)),
    )
