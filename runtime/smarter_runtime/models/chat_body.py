"""A request in the ChatCompletions format, as the different servers want it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Message, ToolCall, ToolOffer
from smarter_runtime.models import JsonFormat, ModelRequest, Parameters, author
from smarter_runtime.models.dialects import Dialect, call_id, dialect
from smarter_runtime.models.tool_choice import tool_choice
from smarter_runtime.models.values import json_object

_NOTE = "[Note of this chatbot's operator, not of the user: {}]"


def chat_body(request: ModelRequest, provider: ProviderConfig) -> dict[str, Any]:
    """Return the body; what is not set is not in it."""
    speech = dialect(provider.type)
    messages = request.messages if speech.takes_system_messages_anywhere else folded(request.messages)
    writer = author(provider.name, request.parameters.model)
    return {
        "model": request.parameters.model,
        "messages": [_message(message, writer, speech) for message in messages],
        "stream": True,
        **({"stream_options": {"include_usage": True}} if speech.asks_for_usage else {}),
        **_tools(request),
        **_parameters(request.parameters, speech),
    }


def folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return `messages` with one system message, at the start.

    Later ones become labelled notes in the user's or tool's message beside them: many servers (and the chat templates
    of open models) refuse a system message that is not the first.
    """
    result: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system" and result and result[-1].role in ("system", "user", "tool"):
            before = result[-1]
            note = message.text if before.role == "system" else _NOTE.format(message.text)
            result[-1] = replace(before, text=f"{before.text}\n\n{note}")
        elif message.role == "system" and result:
            waiting.append(_NOTE.format(message.text))
        else:
            text = "\n\n".join([*waiting, message.text]) if message.role == "user" else message.text
            waiting = [] if message.role == "user" else waiting
            result.append(replace(message, text=text))
    return tuple(result)


def _message(message: Message, writer: str, speech: Dialect) -> dict[str, Any]:
    if message.raw is not None and message.raw_from == writer:
        calls = [call | {"id": call_id(call["id"], speech)} for call in message.raw.get("tool_calls", ())]
        return {**message.raw, **({"tool_calls": calls} if calls else {})}
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": call_id(message.tool_call_id, speech), "content": message.text}
    if message.tool_calls:
        calls = [_call(call, speech) for call in message.tool_calls]
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    return {"role": message.role, "content": message.text}


def _call(call: ToolCall, speech: Dialect) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json_object(call.arguments)}
    return {"id": call_id(call.id, speech), "type": "function", "function": function}


def _tools(request: ModelRequest) -> dict[str, Any]:
    if not request.offers:
        return {}
    tools = [{"type": "function", "function": _function(offer)} for offer in request.offers]
    # The tools stay in the request when they may not be called: earlier messages speak of them, and caches know them.
    return {"tools": tools, **tool_choice(request, lambda name: {"function": {"name": name}})}


def _function(offer: ToolOffer) -> dict[str, Any]:
    function = {"name": offer.name, "description": offer.description, "parameters": offer.parameters}
    return function | ({"strict": True} if offer.is_strict else {})


def _json_format(wanted: JsonFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": wanted.members()}


def _parameters(parameters: Parameters, speech: Dialect) -> dict[str, Any]:
    values: dict[str, Any] = {
        "temperature": parameters.temperature,
        speech.limit: parameters.max_tokens,
        "top_p": parameters.top_p,
        "reasoning_effort": parameters.reasoning_effort,
        speech.seed: parameters.seed,
        "stop": list(parameters.stop) or None,
        "response_format": _json_format(parameters.json_format),
    }
    if speech.knows_client_ids:
        values |= {"store": False, "safety_identifier": parameters.client_id or None}
    return {name: value for name, value in values.items() if value is not None}
