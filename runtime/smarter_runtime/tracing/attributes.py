"""What spans say, by OpenTelemetry's conventions for generative AI 1.42: names and numbers, never content."""

from urllib.parse import urlsplit

from smarter_crds.runtime_config import ProviderConfig, RuntimeConfig
from smarter_crds.usage import UsageRecord
from smarter_runtime.conversation import Round
from smarter_runtime.events import ToolCall
from smarter_runtime.models import Parameters
from smarter_runtime.tracing import Attributes

_PROVIDER_NAMES = {
    "AzureOpenAI": "azure.ai.openai",
    "Google": "gcp.gen_ai",
    "Mistral": "mistral_ai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gen_ai",
    "google_vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""As the conventions call those that they know by another word than our type, or LangChain's, in lower case."""
_TOOL_TYPES = {"Static": "datastore", "Sql": "datastore", "Api": "extension"}
_MOST_ID_CHARACTERS = 64


def of_answer(record: UsageRecord) -> Attributes:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": record.bot.uid,
        "gen_ai.agent.name": record.bot.name,
        "gen_ai.request.model": record.model,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_input_tokens,
        "smarter.answer.id": record.id,
        "smarter.answer.status": record.status,
        "smarter.answer.rounds": record.rounds,
    }


def of_round(finished: Round, config: RuntimeConfig) -> Attributes:
    provider, usage = config.providers[finished.provider], finished.usage
    attributes: dict[str, str | int | float | bool | tuple[str, ...]] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider_name(provider),
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "smarter.usage.estimated": usage.is_estimate,
        **_of_parameters(finished.parameters),
        **_of_server(provider.base_url),
    }
    if finished.first_seconds is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = finished.first_seconds
    if finished.finish:
        attributes["gen_ai.response.finish_reasons"] = (finished.finish,)
    return attributes


def _provider_name(provider: ProviderConfig) -> str:
    kind = provider.langchain.provider if provider.type == "LangChain" and provider.langchain else provider.type
    return _PROVIDER_NAMES.get(kind, kind.lower())


def _of_parameters(parameters: Parameters) -> dict[str, str | int | float]:
    told = {
        "gen_ai.request.model": parameters.model,
        "gen_ai.request.temperature": parameters.temperature,
        "gen_ai.request.max_tokens": parameters.max_tokens,
        "gen_ai.request.top_p": parameters.top_p,
        "gen_ai.request.seed": parameters.seed,
        "gen_ai.output.type": "json" if parameters.json_format else "text",
    }
    return {name: value for name, value in told.items() if value is not None}


def _of_server(base_url: str) -> dict[str, str | int]:
    parts = urlsplit(base_url)
    if not parts.hostname:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }


def of_tool(call: ToolCall, name: str, config: RuntimeConfig) -> Attributes:
    kind = next((_TOOL_TYPES[each.type] for each in config.plugins if each.name == name), "function")
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": kind,
        "gen_ai.tool.call.id": call.id[:_MOST_ID_CHARACTERS],
    }
