"""Limits: what holds for a bot once the platform has filled in what the spec leaves open, and what has no effect."""

from collections.abc import Iterator

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile.model import Platform, PlatformLimits
from smarter_crds.limits import Limits
from smarter_crds.runtime_config import LimitsConfig, ServingConfig

_PER_CLIENT = ("requests_per_minute_per_client", "concurrent_per_client")


def limits_config(chatbot: Chatbot, platform: Platform) -> LimitsConfig:
    own = chatbot.spec.limits or Limits()
    chosen = {name: getattr(own, name) for name in PlatformLimits.model_fields if getattr(own, name) is not None}
    return LimitsConfig(**(platform.limits.model_dump() | chosen), mode=own.mode or "Enforce")


def limits_defaults(chatbot: Chatbot, platform: Platform) -> Limits | None:
    """Return what the platform filled in."""
    own = chatbot.spec.limits or Limits()
    filled = {
        name: getattr(platform.limits, name)
        for name in PlatformLimits.model_fields
        if getattr(own, name) is None and getattr(platform.limits, name) is not None
    }
    return Limits(**filled) if filled else None


def limit_warnings(chatbot: Chatbot, platform: Platform) -> Iterator[str]:
    """Yield what is limited less than it seems."""
    own = chatbot.spec.limits or Limits()
    for name in _PER_CLIENT:
        if getattr(own, name) is not None and not platform.trusted_proxies:
            yield (
                f"`spec.limits.{Limits.model_fields[name].alias}` counts keys and visitors but no networks, for the "
                "platform does not say whose `X-Forwarded-For` it trusts (`platform.trustedProxies` in the values of "
                "the chart `smarter`)."
            )


def serving_config(platform: Platform) -> ServingConfig:
    return ServingConfig(
        trusted_proxies=tuple(sorted(platform.trusted_proxies)),
        sessions_per_minute=platform.sessions_per_minute,
        max_streams=platform.max_streams,
    )
