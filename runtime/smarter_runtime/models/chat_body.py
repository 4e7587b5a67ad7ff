"""A request in the ChatCompletions format, as the different servers want it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from smarter_runtime.events import Message, ToolOffer
from smarter_runtime.models import ModelRequest, Parameters

# These know fields that other servers refuse, and take system messages anywhere.
OPENAI_TYPES = frozenset({"OpenAI", "AzureOpenAI"})
MISTRAL = "Mistral"
_NOTE = "[Note of this chatbot's operator, not of the user: {}]"


def chat_body(request: ModelRequest, provider_type: str, provider: str) -> dict[str, Any]:
    """Return the body; what is not set is not in it."""
    messages = request.messages if provider_type in OPENAI_TYPES else folded(request.messages)
    return {
        "model": request.parameters.model,
        "messages": [_message(message, provider) for message in messages],
        "stream": True,
        # Mistral sends usage unasked, and refuses the request when asked.
        **({} if provider_type == MISTRAL else {"stream_options": {"include_usage": True}}),
        **_tools(request.offers, may_call=request.may_call_tools),
        **_parameters(request.parameters, provider_type),
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


def _message(message: Message, provider: str) -> dict[str, Any]:
    if message.raw is not None and message.raw_from == provider:
        return dict(message.raw)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    if message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
            for call in message.tool_calls
        ]
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    return {"role": message.role, "content": message.text}


def _tools(offers: Sequence[ToolOffer], *, may_call: bool) -> dict[str, Any]:
    if not offers:
        return {}
    tools = [
        {
            "type": "function",
            "function": {"name": offer.name, "description": offer.description, "parameters": offer.parameters},
        }
        for offer in offers
    ]
    # The tools stay in the request when they may not be called: earlier messages speak of them, and caches know them.
    return {"tools": tools} if may_call else {"tools": tools, "tool_choice": "none"}


def _parameters(parameters: Parameters, provider_type: str) -> dict[str, Any]:
    is_openai = provider_type in OPENAI_TYPES
    # OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
    limit = "max_completion_tokens" if is_openai else "max_tokens"
    values: dict[str, Any] = {
        "temperature": parameters.temperature,
        limit: parameters.max_tokens,
        "top_p": parameters.top_p,
        "reasoning_effort": parameters.reasoning_effort,
        "random_seed" if provider_type == MISTRAL else "seed": parameters.seed,
        "stop": list(parameters.stop) or None,
    }
    if is_openai:
        values |= {"store": False, "safety_identifier": parameters.client_id or None}
    return {name: value for name, value in values.items() if value is not None}
