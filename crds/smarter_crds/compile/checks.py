"""Why a Chatbot is refused: a list of small functions, each with one reason."""

import difflib
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

from smarter_crds.chatbot import Chatbot, ModelParameters
from smarter_crds.compile.access import identity_problems
from smarter_crds.compile.allowed import forbidden
from smarter_crds.compile.config_maps import system_prompt_can_be_had
from smarter_crds.compile.model import Platform, References
from smarter_crds.compile.prices import prices_of
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.providers import (
    IGNORED_PARAMETERS,
    UNKNOWN_EFFORTS,
    default_model,
    find_provider,
    needs_langchain,
)
from smarter_crds.compile.resolve import reachable
from smarter_crds.compile.stores import find_store
from smarter_crds.compile.support import CHATBOT, unsupported
from smarter_crds.compile.workload import pods_without_store
from smarter_crds.runtime_config import FUNCTION_TOOLS

Check = Callable[[Chatbot, References, Platform], Iterator[Problem]]


def nothing_unsupported_is_set(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    yield from unsupported(chatbot.spec, CHATBOT)


def one_pod_without_store(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    yield from pods_without_store(chatbot)


def store_is_known(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    store = find_store(chatbot, references)
    if isinstance(store, Problem):
        yield store


def budgets_are_kept(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    if chatbot.spec.budget is None:
        return
    if chatbot.spec.store_ref is None and not platform.embedded_budgets:
        text = "A budget needs a store that outlives the pod; name one in `spec.storeRef`, or remove `spec.budget`."
        yield Problem("StoreRequired", text)
    for provider, model in reachable(chatbot, references):
        if not prices_of(provider, model, references.prices):
            yield Problem(
                "PriceUnknown",
                f"`spec.budget` cannot be kept, for nobody knows what model {model!r} of Provider "
                f"{provider.metadata.name!r} costs; set `spec.prices.input` and `spec.prices.output` of the Provider.",
            )


def the_platform_allows_it(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    yield from forbidden(chatbot, platform.allowed)


def identities_can_be_verified(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    yield from identity_problems(chatbot)


def public_bots_have_a_token_limit(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    mode = chatbot.spec.access.mode if chatbot.spec.access else None
    limit = chatbot.spec.limits.tokens_per_day if chatbot.spec.limits else None
    if mode in (None, "Public") and limit is None and platform.limits.tokens_per_day is None:
        yield Problem(
            "TokensPerDayRequired",
            "A Public bot needs a limit of tokens, and the platform sets none; add `spec.limits.tokensPerDay`.",
        )


def time_zone_exists(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    name, known = chatbot.spec.time_zone, _time_zones()
    if name is None or not known or name in known:
        return
    close = difflib.get_close_matches(name, known, n=1) or ["Europe/Madrid"]
    yield Problem("InvalidTimeZone", f"`spec.timeZone` {name!r} is no time zone; use a name such as {close[0]!r}.")


def tools_have_different_names(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    for name, count in Counter(plugin.name for plugin in chatbot.spec.plugins).items():
        if count > 1:
            yield Problem(
                "ToolNameCollision",
                f"`spec.plugins` names Plugin {name!r} {count} times, so {count} tools would have the same name; "
                "remove all but one.",
            )
    named = {plugin.name for plugin in chatbot.spec.plugins}
    for function in chatbot.spec.functions:
        if FUNCTION_TOOLS[function] in named:
            yield Problem(
                "ToolNameCollision",
                f"Plugin {FUNCTION_TOOLS[function]!r} and the function `{function}` would have tools of the same name; "
                "give the Plugin another name, or remove one of the two.",
            )


def provider_and_model_are_known(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    for place, model in _models(chatbot):
        where = f"`{place}.providerRef`"
        provider = find_provider(model.provider_ref.name, references, chatbot.metadata.namespace, where)
        if isinstance(provider, Problem):
            yield provider
        elif not (model.name or default_model(provider)):
            yield Problem(
                "ModelNameMissing",
                f"Neither `{place}.name` nor `spec.defaultModel` of Provider {provider.metadata.name!r} names a model; "
                "add one of them.",
            )


def provider_heeds_what_is_set(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    for place, model in _models(chatbot):
        provider = references.providers.get(model.provider_ref.name)
        if provider is None or isinstance(provider, Problem):
            continue
        for name in IGNORED_PARAMETERS.get(provider.spec.type, ()):
            if getattr(model, name) is not None:
                alias = type(model).model_fields[name].alias
                yield Problem(
                    "IgnoredByProvider",
                    f"`{place}.{alias}` has no effect on Provider {provider.metadata.name!r}, which is of type "
                    f"`{provider.spec.type}`; remove it.",
                )


def provider_knows_the_effort(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    for place, model in _models(chatbot):
        provider = references.providers.get(model.provider_ref.name)
        if provider is None or isinstance(provider, Problem):
            continue
        if model.reasoning_effort in UNKNOWN_EFFORTS.get(provider.spec.type, ()):
            yield Problem(
                "IgnoredByProvider",
                f"`{place}.reasoningEffort: {model.reasoning_effort}` is unknown to Provider "
                f"{provider.metadata.name!r}, which is of type `{provider.spec.type}`; choose another or remove it.",
            )


def the_platform_has_langchain(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    if platform.langchain_image or (chatbot.spec.runtime and chatbot.spec.runtime.image):
        return
    for place, model in _models(chatbot):
        provider = find_provider(model.provider_ref.name, references, chatbot.metadata.namespace, place)
        if not isinstance(provider, Problem) and needs_langchain(provider):
            yield Problem(
                "LangChainMissing",
                f"Provider {provider.metadata.name!r}, named in `{place}.providerRef`, is of type "
                f"`{provider.spec.type}`, which needs the runtime's image with LangChain, and the platform has none; "
                "set `runtime.langchainImage` in the operator's values, or name another Provider.",
            )


def _models(chatbot: Chatbot) -> Iterator[tuple[str, ModelParameters]]:
    """Yield the models that may answer, each with its place in the spec."""
    yield "spec.model", chatbot.spec.model
    for number, fallback in enumerate(chatbot.spec.model.fallbacks):
        yield f"spec.model.fallbacks[{number}]", fallback


CHECKS: tuple[Check, ...] = (
    nothing_unsupported_is_set,
    system_prompt_can_be_had,
    one_pod_without_store,
    store_is_known,
    budgets_are_kept,
    the_platform_allows_it,
    public_bots_have_a_token_limit,
    identities_can_be_verified,
    time_zone_exists,
    tools_have_different_names,
    provider_and_model_are_known,
    provider_heeds_what_is_set,
    provider_knows_the_effort,
    the_platform_has_langchain,
)


@cache
def _time_zones() -> frozenset[str]:
    # Empty in an image without time zone data; then the name is believed.
    return frozenset(zoneinfo.available_timezones())
