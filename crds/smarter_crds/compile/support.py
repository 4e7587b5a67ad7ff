"""Field by field, what works today. Whatever else is set is refused, so that nothing is silently ignored."""

from collections.abc import Mapping

from smarter_crds.compile.chatbot_support import CHATBOT
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.supported import YES, Support, only, set_fields, unsupported

__all__ = [
    "API_CONNECTION",
    "API_KEY",
    "CHATBOT",
    "NOTES",
    "PLUGIN",
    "PROVIDER",
    "SQL_CONNECTION",
    "STORE",
    "SUPPORT",
    "Support",
    "check_unsupported",
    "set_fields",
    "unsupported",
]

_PARAMETERS = (
    "parameters",
    *(f"parameters[].{name}" for name in ("name", "type", "description", "required", "enum", "default")),
    *("parameters[].valueFrom", "parameters[].valueFrom.claim"),
)

PLUGIN: Mapping[str, Support] = {
    "description": YES,
    "selector": YES,
    "selector.directive": YES,
    "selector.searchTerms": YES,
    "selector.match": YES,
    "prompt": YES,
    "prompt.systemRole": YES,
    "prompt.model": YES,
    "prompt.model.providerRef": YES,
    "prompt.model.providerRef.name": YES,
    "prompt.model.name": YES,
    "prompt.model.temperature": YES,
    "prompt.model.maxTokens": YES,
    "sideEffects": YES,
    "confirm": YES,
    "resultMaxCharacters": YES,
    "type": only("Static", "Sql", "Api"),
    "static": YES,
    "static.data": YES,
    "static.dataFrom": YES,
    "static.dataFrom.configMapKeyRef": YES,
    "static.dataFrom.configMapKeyRef.name": YES,
    "static.dataFrom.configMapKeyRef.key": YES,
    "sql": YES,
    "sql.connectionRef": YES,
    "sql.connectionRef.name": YES,
    "sql.query": YES,
    **{f"sql.{path}": YES for path in _PARAMETERS},
    "sql.maxRows": YES,
    "sql.timeoutSeconds": YES,
    "api": YES,
    "api.connectionRef": YES,
    "api.connectionRef.name": YES,
    "api.method": YES,
    "api.path": YES,
    "api.query": YES,
    "api.query[].name": YES,
    "api.query[].value": YES,
    "api.headers": YES,
    "api.headers[].name": YES,
    "api.headers[].value": YES,
    "api.body": YES,
    **{f"api.{path}": YES for path in _PARAMETERS},
    "api.result": YES,
    "api.timeoutSeconds": YES,
    "testValues": YES,
    "testValues[].name": YES,
    "testValues[].value": YES,
}

PROVIDER: Mapping[str, Support] = {
    "type": only(
        "OpenAI",
        "AzureOpenAI",
        "Anthropic",
        "Google",
        "Mistral",
        "Groq",
        "Together",
        "Fireworks",
        "Cohere",
        "DeepSeek",
        "Ollama",
        "OpenAICompatible",
        "LangChain",
        "Demo",
    ),
    "baseUrl": YES,
    "api": YES,
    "apiKeySecret": YES,
    "apiKeySecret.name": YES,
    "apiKeySecret.key": YES,
    "defaultModel": YES,
    "headers": YES,
    "headers[].name": YES,
    "headers[].value": YES,
    "timeoutSeconds": YES,
    "prices": YES,
    "prices.input": YES,
    "prices.output": YES,
    "prices.cachedInput": YES,
    "caSecret": YES,
    "caSecret.name": YES,
    "caSecret.key": YES,
    "allowedCIDRs": YES,
    "langchain": YES,
    "langchain.model": YES,
    "langchain.options": YES,
}


def _all(*paths: str) -> Mapping[str, Support]:
    return dict.fromkeys(paths, YES)


def _credentials(path: str) -> tuple[str, ...]:
    return (path, f"{path}.name", f"{path}.usernameKey", f"{path}.passwordKey")


def _key(path: str) -> tuple[str, ...]:
    return (path, f"{path}.name", f"{path}.key")


_TLS = (
    *("tls", "tls.mode", *_key("tls.caSecret")),
    *("tls.clientCertSecret", "tls.clientCertSecret.name", "tls.clientCertSecret.key"),
)

_PROXY = ("proxy", "proxy.url", *_credentials("proxy.credentialsSecret"))

SQL_CONNECTION = _all(
    *("engine", "host", "port", "database", *_credentials("credentialsSecret"), *_TLS, "timeoutSeconds"),
    *("pool", "pool.size", "pool.maxOverflow", "sshTunnel", "sshTunnel.host", "sshTunnel.port", "sshTunnel.username"),
    *(*_key("sshTunnel.privateKeySecret"), "sshTunnel.knownHosts", *_PROXY, "allowedCIDRs"),
)

API_CONNECTION = _all(
    *("baseUrl", "auth", "auth.type", *_credentials("auth.credentialsSecret"), *_key("auth.tokenSecret"), "auth.name"),
    *(*_key("auth.valueSecret"), "auth.tokenUrl", "auth.clientId", *_key("auth.clientSecret"), "auth.scopes"),
    *("timeoutSeconds", *_PROXY, *_key("caSecret"), "allowedCIDRs"),
)

STORE = _all("type", "host", "port", "database", *_credentials("credentialsSecret"), *_TLS, "allowedCIDRs")

NOTES: Mapping[str, str] = {}
"""What holds for a kind beyond its fields."""

API_KEY: Mapping[str, Support] = {
    "scope": YES,
    "scope.type": YES,
    "scope.chatbots": YES,
    "displayName": YES,
    "expiresAt": YES,
    "disabled": YES,
    "overlapSeconds": YES,
    "limits": YES,
    "limits.requestsPerMinute": YES,
    "limits.concurrentPerClient": YES,
    "limits.tokensPerDay": YES,
    "budget": YES,
    "budget.amount": YES,
    "budget.currency": YES,
    "budget.period": YES,
    "digests": YES,
    "digests[].sha256": YES,
    "digests[].notAfter": YES,
    "generate": YES,
    "generate.rotation": YES,
}

SUPPORT: Mapping[str, Mapping[str, Support] | None] = {
    "Chatbot": CHATBOT,
    "Plugin": PLUGIN,
    "SqlConnection": SQL_CONNECTION,
    "ApiConnection": API_CONNECTION,
    "Provider": PROVIDER,
    "Store": STORE,
    "ApiKey": API_KEY,
}
"""Per kind, the fields of its spec; None: the whole kind does not work yet."""


def check_unsupported(kind: str) -> tuple[Problem, ...]:
    """Return the problem that a resource of `kind` has if the whole kind does not work yet."""
    if SUPPORT[kind] is not None:
        return ()
    return (Problem("NotSupported", f"The kind {kind} is not supported yet; delete the resource."),)
