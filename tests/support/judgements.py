"""What the API accepts and refuses: changes to the smallest resource, and a part of the refusal (None: accepted)."""

from typing import Any

import pytest

Changes = dict[str, Any]

_QUERY = {"connectionRef": {"name": "a"}, "query": "q"}

JUDGEMENTS = [
    pytest.param("Chatbot", {"metadata__name": "a" * 52}, None, id="longest-chatbot-name"),
    pytest.param("Chatbot", {"metadata__name": "a" * 53}, "at most 52 characters", id="chatbot-name-too-long"),
    pytest.param("Chatbot", {"metadata__name": "7bots"}, "starts with a letter", id="name-starts-with-digit"),
    pytest.param("Chatbot", {"metadata__name": "a.b"}, "must be a DNS label", id="chatbot-name-with-dot"),
    pytest.param("Plugin", {"metadata__name": "7" * 63}, None, id="longest-plugin-name"),
    pytest.param("Plugin", {"metadata__name": "a" * 64}, "at most 63 characters", id="plugin-name-too-long"),
    pytest.param("Plugin", {"metadata__name": "a.b"}, "must be a DNS label", id="plugin-name-with-dot"),
    pytest.param("Chatbot", {"spec": None}, "spec: Required value", id="no-spec"),
    pytest.param("Chatbot", {"spec__systemPrompt": None}, "exactly one of `systemPrompt`", id="no-prompt"),
    pytest.param(
        "Chatbot",
        {"spec__systemPromptFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        "exactly one of `systemPrompt`",
        id="two-prompts",
    ),
    pytest.param("Chatbot", {"spec__systemPrompt": "x" * 32768}, None, id="longest-prompt"),
    pytest.param("Chatbot", {"spec__systemPrompt": "x" * 32769}, "Too long", id="prompt-too-long"),
    pytest.param("Chatbot", {"spec__description": {}}, "must be of type string", id="description-of-wrong-type"),
    pytest.param("Chatbot", {"spec__state": "active"}, "Unsupported value", id="state-in-lower-case"),
    pytest.param("Chatbot", {"spec__model__temperature": 2.5}, "less than or equal to 2", id="too-hot"),
    pytest.param("Chatbot", {"spec__model__temperature": 0}, None, id="zero-is-a-temperature"),
    pytest.param("Chatbot", {"spec__scaling": {"type": "Fixed", "replicas": 0}}, None, id="no-pods"),
    pytest.param(
        "Chatbot", {"spec__scaling": {"type": "Fixed", "replicas": 101}}, "less than or equal to 100", id="101-pods"
    ),
    pytest.param(
        "Chatbot", {"spec__scaling": {"type": "Fixed"}}, "`scaling.replicas` is required", id="fixed-pods-unsaid"
    ),
    pytest.param("Chatbot", {"spec__scaling": {"type": "Auto"}}, "`scaling.maxReplicas` is required", id="no-maximum"),
    pytest.param(
        "Chatbot",
        {"spec__scaling": {"type": "Auto", "minReplicas": 3, "maxReplicas": 2}},
        "must not be above",
        id="minimum-above-maximum",
    ),
    pytest.param(
        "Chatbot", {"spec__exposure": {"hosts": ["a.example", "a.example"]}}, "Duplicate value", id="host-twice"
    ),
    pytest.param("Chatbot", {"spec__exposure": {"hosts": ["*.example"]}}, "should match", id="wildcard-host"),
    pytest.param("Chatbot", {"spec__exposure": {"hosts": ["10.0.0.1"]}}, "should match", id="address-as-host"),
    pytest.param("Chatbot", {"spec__exposure": {"hosts": ["A.example"]}}, "should match", id="upper-case-host"),
    pytest.param(
        "Chatbot",
        {"spec__exposure": {"type": "HTTPRoute"}},
        "`exposure.gatewayRef` is required",
        id="route-without-gateway",
    ),
    pytest.param(
        "Chatbot",
        {"spec__exposure": {"tls": {"mode": "Secret"}}},
        "`tls.secretName` is required",
        id="tls-without-secret",
    ),
    pytest.param("Chatbot", {"spec__app": {"disclosure": ""}}, "at least 1 chars long", id="empty-disclosure"),
    pytest.param("Chatbot", {"spec__app": {"theme": {"primaryColor": "red"}}}, "should match", id="colour-by-name"),
    pytest.param("Chatbot", {"spec__functions": ["Calculator"] * 2}, "Duplicate value", id="function-twice"),
    pytest.param("Chatbot", {"spec__limits": {"tokensPerDay": 0}}, "greater than or equal to 1", id="no-tokens"),
    pytest.param(
        "Chatbot", {"spec__resources": {"limits": {"memory": "lots"}}}, "should match", id="quantity-in-words"
    ),
    pytest.param("Chatbot", {"spec__resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}, None, id="quantities"),
    pytest.param(
        "Chatbot",
        {"spec__budget": {"amount": 50, "currency": "USD", "period": "Month"}},
        "must be of type string",
        id="money-as-number",
    ),
    pytest.param("Chatbot", {"spec__colour": "red"}, 'unknown field "spec.colour"', id="unknown-field"),
    pytest.param(
        "Plugin",
        {"spec__selector": {"directive": "SearchTerms"}},
        "`selector.searchTerms` is required",
        id="no-search-terms",
    ),
    pytest.param(
        "Plugin",
        {"spec__selector": {"directive": "SearchTerms", "searchTerms": []}},
        "`selector.searchTerms` is required",
        id="empty-search-terms",
    ),
    pytest.param(
        "Plugin",
        {"spec__selector": {"directive": "Llm", "searchTerms": ["order"]}},
        "not allowed otherwise",
        id="needless-search-terms",
    ),
    pytest.param("Plugin", {"spec__static": None}, "`static` is required", id="static-plugin-without-data"),
    pytest.param("Plugin", {"spec__type": "Sql"}, "`sql` is required", id="sql-plugin-without-query"),
    pytest.param("Plugin", {"spec__type": "Api"}, "`api` is required", id="api-plugin-without-request"),
    pytest.param("Plugin", {"spec__static": {}}, "exactly one of `static.data`", id="neither-data"),
    pytest.param(
        "Plugin",
        {"spec__static__dataFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        "exactly one of `static.data`",
        id="both-data",
    ),
    pytest.param("Plugin", {"spec__static": {"data": {}}}, "at least 1 properties", id="empty-data"),
    pytest.param("Plugin", {"spec__static": {"data": ["a"]}}, "must be of type object", id="data-as-list"),
    pytest.param(
        "Plugin",
        {"spec__sql": _QUERY | {"parameters": [{"name": "p", "type": "String"}]}},
        "a parameter needs a `description`",
        id="parameter-without-description",
    ),
    pytest.param(
        "Plugin",
        {"spec__sql": _QUERY | {"parameters": [{"name": "p", "type": "String", "description": "d"}] * 2}},
        "Duplicate value",
        id="parameter-twice",
    ),
    pytest.param("Provider", {"spec__type": "Ollama"}, "`baseUrl` is required", id="ollama-without-address"),
    pytest.param("Provider", {"spec__type": "LangChain"}, "`langchain` is required", id="langchain-without-model"),
    pytest.param(
        "Provider", {"spec__baseUrl": "https://user:pass@llm.example/v1"}, "should match", id="password-in-address"
    ),
    pytest.param("Provider", {"spec__allowedCIDRs": ["10.0.0.0"]}, "should match", id="address-as-network"),
    pytest.param("Provider", {"spec__prices": {"input": "a lot"}}, "should match", id="price-in-words"),
    pytest.param("SqlConnection", {"spec__host": None}, "`host` is required", id="database-without-host"),
    pytest.param("SqlConnection", {"spec__host": None, "spec__engine": "SQLite"}, None, id="sqlite-without-host"),
    pytest.param(
        "ApiConnection", {"spec__auth": {"type": "Basic"}}, "`auth.credentialsSecret` is required", id="basic"
    ),
    pytest.param("ApiConnection", {"spec__auth": {"type": "Bearer"}}, "`auth.tokenSecret`", id="bearer"),
    pytest.param(
        "ApiConnection",
        {"spec__auth": {"type": "Header", "name": "X-Key"}},
        "`auth.valueSecret` are required",
        id="header",
    ),
    pytest.param(
        "ApiConnection",
        {"spec__auth": {"type": "OAuth2ClientCredentials", "clientId": "a"}},
        "`auth.clientSecret` are required",
        id="oauth",
    ),
    pytest.param("ApiKey", {"spec__scope": {"type": "Listed"}}, "`scope.chatbots` is required", id="key-for-no-bot"),
    pytest.param("ApiKey", {"spec__generate": None}, "exactly one of `digests`", id="key-without-token"),
    pytest.param(
        "ApiKey", {"spec__digests": [{"sha256": "0" * 64}]}, "exactly one of `digests`", id="key-with-two-tokens"
    ),
    pytest.param(
        "ApiKey",
        {"spec__generate": None, "spec__digests": [{"sha256": "0" * 63}]},
        "at least 64 chars long",
        id="short-digest",
    ),
    pytest.param("HostClaim", {"spec__holder__uid": None}, "spec.holder.uid: Required", id="claim-without-uid"),
]
