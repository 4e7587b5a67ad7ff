"""What compile decides: which bots are refused and why, what is filled in, and what is said about it."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.compile import (
    Compiled,
    Platform,
    PlatformLimits,
    Problem,
    References,
    compile_chatbot,
    parse,
)
from support.manifests import chatbot, plugin, provider
from support.samples import Manifest, changed

PLATFORM = Platform(base_domain="bots.example")


def compiled(bot: Manifest, *others: Manifest, platform: Platform = PLATFORM, good_bytes: int = 0) -> Compiled:
    """Compile `bot` beside `others`; a Provider `demo` of type Demo is always there, unless replaced."""
    everything = [provider(), *others]
    references = References(
        plugins={found["metadata"]["name"]: _read(Plugin, found) for found in everything if found["kind"] == "Plugin"},
        providers={
            found["metadata"]["name"]: _read(Provider, found) for found in everything if found["kind"] == "Provider"
        },
        good_config_bytes=good_bytes,
    )
    return compile_chatbot(Chatbot.model_validate(bot), references, platform)


def _read(model: Any, manifest: Manifest) -> Any:
    return parse(model, manifest)


OPENAI = provider("openai", type="OpenAI", apiKeySecret={"name": "keys", "key": "openai"})
NO_MODEL = changed(OPENAI, spec__defaultModel=None)
WRONG_MODEL = provider("openai", type="LangChain", langchain={"model": "bedrock"})


@pytest.mark.parametrize(
    ("bot", "others", "problem"),
    [
        pytest.param(
            chatbot(limits={}),
            [],
            Problem(
                "TokensPerDayRequired",
                "A Public bot needs a limit of tokens, and the platform sets none; add `spec.limits.tokensPerDay`.",
            ),
            id="public-without-token-limit",
        ),
        pytest.param(
            chatbot(scaling={"type": "Fixed", "replicas": 2}),
            [],
            Problem(
                "StoreRequired",
                "2 pods need a store that they share; name one in `spec.storeRef`, or "
                "set `spec.scaling.replicas` to 1.",
            ),
            id="two-pods",
        ),
        pytest.param(
            chatbot(timeZone="Europa/Madrid"),
            [],
            Problem(
                "InvalidTimeZone",
                "`spec.timeZone` 'Europa/Madrid' is no time zone; use a name such as 'Europe/Madrid'.",
            ),
            id="unknown-time-zone",
        ),
        pytest.param(
            chatbot(plugins=[{"name": "returns"}, {"name": "returns"}]),
            [plugin()],
            Problem(
                "ToolNameCollision",
                "`spec.plugins` names Plugin 'returns' 2 times, so 2 tools would have the same name; remove all but "
                "one.",
            ),
            id="plugin-twice",
        ),
        pytest.param(
            chatbot(plugins=[{"name": "calculator"}], functions=["Calculator", "CurrentWeather"]),
            [plugin("calculator")],
            Problem(
                "ToolNameCollision",
                "Plugin 'calculator' and the function `Calculator` would have tools of the same name; give the Plugin "
                "another name, or remove one of the two.",
            ),
            id="plugin-named-like-a-function",
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "openai"}}),
            [],
            Problem(
                "ProviderNotFound",
                "Provider 'openai' is not in namespace 'acme'; create it, or name another in `spec.model.providerRef`.",
            ),
            id="no-provider",
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "openai"}}),
            [NO_MODEL],
            Problem(
                "ModelNameMissing",
                "Neither `spec.model.name` nor `spec.defaultModel` of Provider 'openai' names a model; add one of "
                "them.",
            ),
            id="no-model",
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "openai"}}),
            [WRONG_MODEL],
            Problem(
                "ProviderNotAccepted",
                "Provider 'openai', named in `spec.model.providerRef`, is not accepted: `spec.langchain.model` "
                "'bedrock' is not LangChain's provider, a colon and a model; write it like "
                "`bedrock_converse:anthropic.claude-sonnet-4-6`.",
            ),
            id="provider-not-accepted",
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "openai"}}),
            [changed(OPENAI, spec__type="Psychic")],
            Problem(
                "ProviderNotAccepted",
                "Provider 'openai', named in `spec.model.providerRef`, is not accepted: `spec.type` is not valid: "
                "Input "
                "should be 'OpenAI', 'AzureOpenAI', 'Anthropic', 'Google', 'Mistral', 'Groq', 'Together', 'Fireworks', "
                "'Cohere', 'DeepSeek', 'Ollama', 'OpenAICompatible', 'LangChain' or 'Demo'; correct it.",
            ),
            id="provider-not-readable",
        ),
        pytest.param(
            chatbot(model={"providerRef": {"name": "demo"}, "temperature": 0}),
            [],
            Problem(
                "IgnoredByProvider",
                "`spec.model.temperature` has no effect on Provider 'demo', which is of type `Demo`; remove it.",
            ),
            id="temperature-of-a-demo",
        ),
        pytest.param(
            chatbot(exposure={"type": "Ingress"}),
            [],
            None,
            id="ingress-with-default-host",
        ),
        pytest.param(
            chatbot(exposure={"tls": {"mode": "Issuer"}}),
            [],
            Problem(
                "IssuerRequired",
                "`spec.exposure.tls.mode` is `Issuer`, but neither the bot nor the platform names an issuer; "
                "add `spec.exposure.tls.issuerRef`, or use mode `External` or `Disabled`.",
            ),
            id="no-issuer",
        ),
        pytest.param(
            chatbot(exposure={"type": "None", "tls": {"mode": "Issuer"}}), [], None, id="no-issuer-for-no-exposure"
        ),
        pytest.param(chatbot(scaling={"type": "Fixed", "replicas": 0}), [], None, id="no-pods"),
        pytest.param(
            chatbot(scaling={"type": "Auto", "maxReplicas": 3}),
            [],
            Problem(
                "StoreRequired",
                "3 pods need a store that they share; name one in `spec.storeRef`, or "
                "set `spec.scaling.maxReplicas` to 1.",
            ),
            id="autoscaling-without-store",
        ),
        pytest.param(chatbot(scaling={"type": "Auto", "maxReplicas": 1}), [], None, id="autoscaling-of-one-pod"),
        pytest.param(chatbot(timeZone="Europe/Madrid"), [], None, id="known-time-zone"),
    ],
)
def test_a_bot_is_refused_with_reason_and_way_out(
    bot: Manifest, others: list[Manifest], problem: Problem | None
) -> None:
    result = compiled(bot, *others)
    assert result.problems == ((problem,) if problem else ())
    assert (result.config is None) == (problem is not None)
    assert bool(result.document) == bool(result.hash) == (problem is None)


def test_an_ingress_needs_a_host() -> None:
    result = compiled(chatbot(exposure={"type": "Ingress"}), platform=Platform())
    assert [problem.reason for problem in result.problems] == ["HostRequired"]


def test_all_problems_are_told_at_once() -> None:
    bot = chatbot(limits={}, budget={"amount": "5", "currency": "USD", "period": "Month"}, timeZone="Nowhere")
    reasons = [problem.reason for problem in compiled(bot).problems]
    assert reasons == ["StoreRequired", "TokensPerDayRequired", "InvalidTimeZone"]


def test_a_refused_bot_still_has_its_address_and_defaults() -> None:
    result = compiled(chatbot(limits={}))
    assert (result.url, result.settled.state) == ("http://support-acme.bots.example", "Active")
    assert result.defaults.language == "en"


@pytest.mark.parametrize("limit", [None, 500])
def test_the_platform_may_give_every_bot_a_token_limit(limit: int | None) -> None:
    own = {} if limit is None else {"tokensPerDay": limit}
    result = compiled(chatbot(limits=own), platform=Platform(limits=PlatformLimits(tokens_per_day=9000)))
    assert result.config is not None
    assert result.config.limits.tokens_per_day == (limit or 9000)


@pytest.mark.parametrize(
    ("bot", "others", "warning"),
    [
        pytest.param(
            chatbot(exposure={"type": "None", "hosts": ["a.example"]}),
            [],
            "`spec.exposure.hosts` has no effect with type `None`.",
            id="hosts-without-exposure",
        ),
        pytest.param(
            chatbot(exposure={"tls": {"mode": "Disabled", "issuerRef": {"name": "ca"}}}),
            [],
            "`spec.exposure.tls.issuerRef` has no effect with mode `Disabled`.",
            id="issuer-without-tls",
        ),
        pytest.param(
            chatbot(plugins=[{"name": "returns"}]),
            [plugin(selector={"directive": "Always", "match": "Words"})],
            "Plugin 'returns': `spec.selector.match` has no effect with directive `Always`.",
            id="match-without-terms",
        ),
        pytest.param(
            chatbot(plugins=[{"name": "returns"}]),
            [plugin(prompt={"model": {"maxTokens": 5}})],
            "Plugin 'returns': `spec.prompt.model.maxTokens` has no effect on Provider 'demo', which is of type "
            "`Demo`.",
            id="override-of-a-demo",
        ),
        pytest.param(
            chatbot(scaling={"type": "Fixed", "replicas": 1, "targetInFlight": 5}),
            [],
            "`spec.scaling.targetInFlight` has no effect with type `Fixed`.",
            id="target-without-autoscaling",
        ),
        pytest.param(
            chatbot(scaling={"type": "Auto", "maxReplicas": 1, "replicas": 4}),
            [],
            "`spec.scaling.replicas` has no effect with type `Auto`.",
            id="number-beside-autoscaling",
        ),
        pytest.param(
            chatbot(),
            [provider(baseUrl="https://llm.example/v1")],
            "Provider 'demo': `spec.baseUrl` has no effect with type `Demo`.",
            id="address-of-a-demo",
        ),
    ],
)
def test_what_has_no_effect_is_reported_and_refuses_nothing(
    bot: Manifest, others: list[Manifest], warning: str
) -> None:
    result = compiled(bot, *others)
    assert (result.problems, result.warnings) == ((), (warning,))


def test_a_bot_without_stale_members_has_no_warnings() -> None:
    assert compiled(chatbot(plugins=[{"name": "returns"}]), plugin()).warnings == ()
