"""Which models may answer for a bot, and over which API they are asked."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Compiled, Platform, References, SecretFile, check_provider, compile_chatbot
from smarter_crds.runtime_config import LangChainConfig, ModelChoice, to_json
from support.manifests import chatbot, provider
from support.samples import Manifest

LANGCHAIN_IMAGE = "registry.example/runtime-langchain:1"
MAIN = provider("main", type="OpenAI", defaultModel="luna")
OTHER = provider("other", type="Mistral", defaultModel="small", apiKeySecret={"name": "keys", "key": "m"})


def compiled(model: Manifest, *providers: Manifest) -> Compiled:
    bot = Chatbot.model_validate(chatbot(model=model))
    known = {each["metadata"]["name"]: Provider.model_validate(each) for each in providers}
    return compile_chatbot(bot, References(providers=known), Platform(langchain_image=LANGCHAIN_IMAGE))


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
            with_fallback(provider("other", type="LangChain", langchain={"model": "x"})), "ProviderNotAccepted",
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
    [file] = result.secrets
    assert (file.secret_name, file.key, file.path) == ("acme-ca", "ca.crt", result.config.providers["main"].ca_file)
    # A Provider's name cannot make the key's file of one the authorities of another.
    assert not file.use.startswith("provider-")


def test_a_bot_that_uses_none_of_it_keeps_the_document_that_it_had() -> None:
    result = compiled({"providerRef": {"name": "main"}}, MAIN)
    assert result.config is not None
    assert b"caFile" not in to_json(result.config)
    assert b"fallbacks" not in to_json(result.config)


BEDROCK = {"model": "bedrock_converse:anthropic.claude-sonnet-4-6", "options": {"region_name": "eu-south-2", "a": None}}


def test_a_provider_of_type_langchain_names_library_model_and_options() -> None:
    of = provider("main", type="LangChain", langchain=BEDROCK, defaultModel=None)
    result = compiled({"providerRef": {"name": "main"}}, of)
    assert result.config is not None
    settings = result.config.providers["main"].langchain
    assert settings == LangChainConfig(provider="bedrock_converse", options={"region_name": "eu-south-2", "a": None})
    assert (result.model, result.settled.image) == ("main/anthropic.claude-sonnet-4-6", LANGCHAIN_IMAGE)
    # A null in the options means something to the library.
    assert b'"options":{"a":null,"region_name":"eu-south-2"}' in result.document


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        pytest.param("Anthropic", LANGCHAIN_IMAGE, id="anthropic"),
        pytest.param("Google", LANGCHAIN_IMAGE, id="google"),
        pytest.param("Cohere", "", id="cohere"),
        pytest.param("OpenAI", "", id="openai"),
        pytest.param("Demo", "", id="demo"),
    ],
)
def test_only_bots_that_need_langchain_get_the_image_with_it(kind: str, image: str) -> None:
    other = provider("other", type=kind)
    result = with_fallback(other, name="m")
    assert (result.problems, result.settled.image) == ((), image)


def test_without_an_image_with_langchain_the_way_out_is_named() -> None:
    bot = Chatbot.model_validate(chatbot(model={"providerRef": {"name": "main"}, "name": "m"}))
    references = References(providers={"main": Provider.model_validate(provider("main", type="Anthropic"))})
    (problem,) = compile_chatbot(bot, references, Platform()).problems
    assert (problem.reason, "runtime.langchainImage" in problem.message) == ("LangChainMissing", True)


@pytest.mark.parametrize(
    ("option", "reason", "way_out"),
    [
        pytest.param("api_key", "InvalidOption", "`spec.apiKeySecret`", id="key"),
        pytest.param("aws_secret_access_key", "InvalidOption", "`spec.apiKeySecret`", id="secret"),
        pytest.param("base_url", "InvalidOption", "`spec.baseUrl`", id="address"),
        pytest.param("max_retries", "InvalidOption", "remove it", id="fixed"),
    ],
)
def test_options_that_have_another_place_are_refused(option: str, reason: str, way_out: str) -> None:
    (problem,) = check_provider(
        Provider.model_validate(
            provider("main", type="LangChain", langchain={"model": "a:b", "options": {option: "x"}})
        )
    )
    assert (problem.reason, way_out in problem.message) == (reason, True)


@pytest.mark.parametrize(("kind", "effort"), [("Anthropic", "Minimal"), ("Google", "None"), ("LangChain", "Low")])
def test_an_effort_that_the_provider_does_not_know_is_refused(kind: str, effort: str) -> None:
    of = provider("main", type=kind, langchain={"model": "a:b"} if kind == "LangChain" else None)
    result = compiled({"providerRef": {"name": "main"}, "name": "m", "reasoningEffort": effort}, of)
    assert [problem.reason for problem in result.problems] == ["IgnoredByProvider"]
