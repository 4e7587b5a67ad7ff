"""Which models may answer for a bot, and over which API they are asked."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Compiled, Platform, References, SecretFile, compile_chatbot
from smarter_crds.runtime_config import ModelChoice, to_json
from support.manifests import chatbot, provider
from support.samples import Manifest

MAIN = provider("main", type="OpenAI", defaultModel="luna")
OTHER = provider("other", type="Mistral", defaultModel="small", apiKeySecret={"name": "keys", "key": "m"})


def compiled(model: Manifest, *providers: Manifest) -> Compiled:
    bot = Chatbot.model_validate(chatbot(model=model))
    known = {each["metadata"]["name"]: Provider.model_validate(each) for each in providers}
    return compile_chatbot(bot, References(providers=known), Platform())


def with_fallback(*providers: Manifest, **fallback: Any) -> Compiled:
    model = {"providerRef": {"name": "main"}, "temperature": 0.5}
    return compiled(model | {"fallbacks": [{"providerRef": {"name": "other"}} | fallback]}, MAIN, *providers)


@pytest.mark.parametrize(
    ("kind", "asked", "api"),
    [
        pytest.param("OpenAI", None, "Responses", id="openai"),
        pytest.param("AzureOpenAI", "Auto", "Responses", id="azure"),
        pytest.param("OpenAI", "ChatCompletions", "ChatCompletions", id="openai-by-choice"),
        pytest.param("OpenAICompatible", None, "ChatCompletions", id="compatible"),
        pytest.param("OpenAICompatible", "Responses", "Responses", id="compatible-by-choice"),
        pytest.param("Mistral", "Auto", "ChatCompletions", id="mistral"),
    ],
)
def test_responses_is_the_choice_where_current_models_need_it(kind: str, asked: str | None, api: str) -> None:
    spec = {"type": kind, "baseUrl": "https://llm.acme.example/openai/v1"} | ({"api": asked} if asked else {})
    result = compiled({"providerRef": {"name": "main"}}, provider("main", **spec))
    assert result.config is not None
    assert (result.config.providers["main"].api, result.warnings) == (api, ())


def test_a_fallback_has_its_provider_its_secret_and_parameters_of_its_own() -> None:
    result = with_fallback(OTHER, maxTokens=100, reasoningEffort="Low")
    assert result.config is not None
    assert result.config.model.fallbacks == (
        ModelChoice(provider="other", name="small", max_tokens=100, reasoning_effort="Low"),
    )
    assert set(result.config.providers) == {"main", "other"}
    assert result.secrets == (SecretFile("keys", "m", "provider-other"),)
    assert result.model == "main/luna"


@pytest.mark.parametrize(
    ("result", "reason", "place"),
    [
        pytest.param(with_fallback(), "ProviderNotFound", "`spec.model.fallbacks[0].providerRef`", id="missing"),
        pytest.param(
            with_fallback(provider("other", type="Cohere")), "ProviderNotAccepted",
            "`spec.model.fallbacks[0].providerRef`", id="not-accepted",
        ),
        pytest.param(
            with_fallback(provider("other", type="Groq", defaultModel=None)), "ModelNameMissing",
            "`spec.model.fallbacks[0].name`", id="no-model",
        ),
        pytest.param(
            with_fallback(provider("other"), temperature=1), "IgnoredByProvider",
            "`spec.model.fallbacks[0].temperature`", id="ignored",
        ),
    ],
)  # fmt: skip
def test_a_fallback_that_cannot_work_is_refused_by_its_place(result: Compiled, reason: str, place: str) -> None:
    assert [problem.reason for problem in result.problems] == [reason]
    assert place in result.problems[0].message


def test_what_a_fallbacks_provider_ignores_is_warned_of() -> None:
    result = with_fallback(provider("other", timeoutSeconds=5))
    assert result.warnings == ("Provider 'other': `spec.timeoutSeconds` has no effect with type `Demo`.",)


def test_the_authorities_of_a_provider_are_mounted_beside_its_key() -> None:
    own = provider("main", type="OpenAI", caSecret={"name": "acme-ca", "key": "ca.crt"}, defaultModel="m")
    result = compiled({"providerRef": {"name": "main"}}, own)
    assert result.config is not None
    file = result.config.providers["main"].ca_file
    assert result.secrets == (SecretFile("acme-ca", "ca.crt", file),)
    # A Provider's name cannot make the key's file of one the authorities of another.
    assert not file.startswith("provider-")


def test_a_bot_that_uses_none_of_it_keeps_the_document_that_it_had() -> None:
    result = compiled({"providerRef": {"name": "main"}}, MAIN)
    assert result.config is not None
    assert b"caFile" not in to_json(result.config)
    assert b"fallbacks" not in to_json(result.config)
