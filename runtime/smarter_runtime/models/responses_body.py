"""A request in the format of OpenAI's Responses, without any state on the provider's side."""

from collections.abc import Iterator
from typing import Any

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Message
from smarter_runtime.models import JsonFormat, ModelRequest, Parameters, author
from smarter_runtime.models.chat_body import folded
from smarter_runtime.models.dialects import Dialect, call_id, dialect
from smarter_runtime.models.tool_choice import tool_choice
from smarter_runtime.models.values import json_object

Item = dict[str, Any]

LEAST_TOKENS = 16
"""The API refuses smaller limits."""


def responses_body(request: ModelRequest, provider: ProviderConfig) -> dict[str, Any]:
    """Return the body; what is not set is not in it. `seed` does not exist in this format, nor does `stop`."""
    speech = dialect(provider.type)
    messages = request.messages if speech.takes_system_messages_anywhere else folded(request.messages)
    writer = author(provider.name, request.parameters.model)
    return {
        "model": request.parameters.model,
        "input": [item for message in messages for item in _items(message, writer, speech)],
        "stream": True,
        "store": False,
        # Nothing is stored there, so what the model thought must come here to go back within the turn.
        "include": ["reasoning.encrypted_content"],
        **_tools(request),
        **_parameters(request.parameters, speech),
    }


def _items(message: Message, writer: str, speech: Dialect) -> Iterator[Item]:
    if message.raw is not None and message.raw_from == writer:
        yield from message.raw["items"]
    elif message.role == "tool":
        id_ = call_id(message.tool_call_id, speech)
        yield {"type": "function_call_output", "call_id": id_, "output": message.text}
    else:
        if message.text or not message.tool_calls:
            yield {"role": message.role, "content": message.text}
        for call in message.tool_calls:
            id_, arguments = call_id(call.id, speech), json_object(call.arguments)
            yield {"type": "function_call", "call_id": id_, "name": call.name, "arguments": arguments}


def _tools(request: ModelRequest) -> dict[str, Any]:
    if not request.offers:
        return {}
    tools = [
        {
            "type": "function",
            "name": offer.name,
            "description": offer.description,
            "parameters": offer.parameters,
            # Else the schema is rewritten to one in which every parameter is required.
            "strict": offer.is_strict,
        }
        for offer in request.offers
    ]
    return {"tools": tools, **tool_choice(request, lambda name: {"name": name})}


def _text(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    kind = "json_object" if wanted.schema is None else "json_schema"
    return {"format": {"type": kind, **wanted.members()}}


def _parameters(parameters: Parameters, speech: Dialect) -> dict[str, Any]:
    limit, effort = parameters.max_tokens, parameters.reasoning_effort
    values: dict[str, Any] = {
        "temperature": parameters.temperature,
        "max_output_tokens": None if limit is None else max(limit, LEAST_TOKENS),
        "top_p": parameters.top_p,
        "reasoning": {"effort": effort} if effort else None,
        "text": _text(parameters.json_format),
        "safety_identifier": (parameters.client_id or None) if speech.knows_client_ids else None,
    }
    return {name: value for name, value in values.items() if value is not None}
