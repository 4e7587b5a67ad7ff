"""Field by field, what works today. Whatever else is set is refused, so that nothing is silently ignored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smarter_crds.base import ApiModel
from smarter_crds.compile.problems import Problem


@dataclass(frozen=True)
class Support:
    """Whether a field works: with all values, with `values` only, or not at all."""

    works: bool
    values: tuple[str | bool, ...] = ()


YES = Support(True)
NO = Support(False)


def only(*values: str | bool) -> Support:
    """Say that a field works with `values` and with no other."""
    return Support(True, values)


# A path is relative to the spec; `[]` in it stands for each item of a list.
CHATBOT: Mapping[str, Support] = {
    "description": YES,
    "state": YES,
    "maintenanceMessage": YES,
    "language": YES,
    "timeZone": YES,
    "model": YES,
    "model.providerRef": YES,
    "model.providerRef.name": YES,
    "model.name": YES,
    "model.temperature": YES,
    "model.maxTokens": YES,
    "model.topP": YES,
    "model.reasoningEffort": YES,
    "model.fallbacks": YES,
    "model.fallbacks[].providerRef": YES,
    "model.fallbacks[].providerRef.name": YES,
    "model.fallbacks[].name": YES,
    "model.fallbacks[].temperature": YES,
    "model.fallbacks[].maxTokens": YES,
    "model.fallbacks[].topP": YES,
    "model.fallbacks[].reasoningEffort": YES,
    "systemPrompt": YES,
    "systemPromptFrom": YES,
    "systemPromptFrom.configMapKeyRef": YES,
    "systemPromptFrom.configMapKeyRef.name": YES,
    "systemPromptFrom.configMapKeyRef.key": YES,
    "plugins": YES,
    "plugins[].name": YES,
    "functions": YES,
    "app": YES,
    "app.title": YES,
    "app.assistantName": YES,
    "app.welcomeMessage": YES,
    "app.examplePrompts": YES,
    "app.placeholder": YES,
    "app.infoUrl": YES,
    "app.logoUrl": YES,
    "app.backgroundImageUrl": YES,
    "app.disclosure": YES,
    "app.fileAttachment": only(False),
    "app.theme": YES,
    "app.theme.primaryColor": YES,
    "app.theme.colorScheme": YES,
    "exposure": YES,
    "exposure.type": YES,
    "exposure.hosts": YES,
    "exposure.className": YES,
    "exposure.gatewayRef": YES,
    "exposure.gatewayRef.name": YES,
    "exposure.gatewayRef.namespace": YES,
    "exposure.gatewayRef.sectionName": YES,
    "exposure.annotations": YES,
    "exposure.tls": YES,
    "exposure.tls.mode": YES,
    "exposure.tls.issuerRef": YES,
    "exposure.tls.issuerRef.name": YES,
    "exposure.tls.issuerRef.kind": YES,
    "exposure.tls.secretName": YES,
    "exposure.allowedOrigins": YES,
    "exposure.frameAncestors": YES,
    "access": YES,
    "access.mode": YES,
    "access.identity": YES,
    "access.identity.issuer": YES,
    "access.identity.jwksUrl": YES,
    "access.identity.audience": YES,
    "access.identity.allowedCIDRs": YES,
    "access.challenge": YES,
    "limits": YES,
    "limits.requestsPerMinute": YES,
    "limits.requestsPerMinutePerClient": YES,
    "limits.concurrentPerClient": YES,
    "limits.tokensPerDay": YES,
    "limits.maxPromptCharacters": YES,
    "limits.maxToolCallsPerTurn": YES,
    "limits.maxSelectedPlugins": YES,
    "limits.maxAnswerSeconds": YES,
    "limits.mode": YES,
    "budget": YES,
    "budget.amount": YES,
    "budget.currency": YES,
    "budget.period": YES,
    "storeRef": YES,
    "storeRef.name": YES,
    "conversations": YES,
    "conversations.retentionDays": YES,
    "scaling": YES,
    "scaling.type": YES,
    "scaling.replicas": YES,
    "scaling.minReplicas": YES,
    "scaling.maxReplicas": YES,
    "scaling.targetInFlight": YES,
    "resources": YES,
    "resources.requests": YES,
    "resources.limits": YES,
    "runtime": YES,
    "runtime.image": YES,
    "podTemplate": YES,
    "podTemplate.nodeSelector": YES,
    "podTemplate.tolerations": YES,
    "podTemplate.tolerations[].key": YES,
    "podTemplate.tolerations[].operator": YES,
    "podTemplate.tolerations[].value": YES,
    "podTemplate.tolerations[].effect": YES,
    "podTemplate.tolerations[].tolerationSeconds": YES,
    "podTemplate.affinity": YES,
    "podTemplate.topologySpreadConstraints": YES,
    "podTemplate.priorityClassName": YES,
    "podTemplate.labels": YES,
    "podTemplate.annotations": YES,
    "podTemplate.imagePullSecrets": YES,
    "podTemplate.imagePullSecrets[].name": YES,
    "podTemplate.env": YES,
    "podTemplate.env[].name": YES,
    "podTemplate.env[].value": YES,
    "podTemplate.serviceAccountAnnotations": YES,
    "networkPolicy": YES,
    "networkPolicy.enabled": YES,
    "networkPolicy.extraEgress": YES,
}

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


def unsupported(spec: ApiModel, table: Mapping[str, Support]) -> tuple[Problem, ...]:
    """Return a problem for everything that is set in `spec` and does not work yet."""
    return tuple(_unsupported(spec, table, ""))


def _unsupported(part: ApiModel, table: Mapping[str, Support], prefix: str) -> Iterator[Problem]:
    for name, value in set_fields(part):
        path = prefix + name
        support = table[path]
        if not support.works:
            yield Problem("NotSupported", f"`spec.{path}` is not supported yet; remove it.")
        elif support.values and value not in support.values:
            choices = " or ".join(f"`{_yaml(choice)}`" for choice in support.values)
            message = f"`spec.{path}: {_yaml(value)}` is not supported yet; use {choices}."
            yield Problem("NotSupported", message)
        elif isinstance(value, ApiModel):
            yield from _unsupported(value, table, f"{path}.")
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, ApiModel):
                    yield from _unsupported(item, table, f"{path}[].")


def set_fields(part: ApiModel) -> Iterator[tuple[str, Any]]:
    """Yield the fields of `part` that ask for something, by their names in YAML; an empty list or object does not."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name in part.model_fields_set and not _asks_nothing(value):
            yield field.alias or name, value


def _asks_nothing(value: object) -> bool:
    if isinstance(value, ApiModel):
        return not any(True for _ in set_fields(value))
    return value is None or value in ((), {})


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
