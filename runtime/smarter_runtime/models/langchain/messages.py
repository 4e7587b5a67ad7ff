"""What was said so far, in LangChain's messages."""

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from smarter_runtime.events import Message, ToolCall
from smarter_runtime.models.chat_body import folded

MESSAGE = "message"
"""Where the raw message of a round keeps what LangChain made of it."""


def langchain_messages(messages: Sequence[Message], writer: str) -> list[BaseMessage]:
    """Return `messages` for the model that `writer` names; what it wrote itself goes back as it came."""
    return [_message(message, writer) for message in folded(messages)]


def _message(message: Message, writer: str) -> BaseMessage:
    if message.role == "system":
        return SystemMessage(message.text)
    if message.role == "user":
        return HumanMessage(message.text)
    if message.role == "tool":
        return ToolMessage(message.text, tool_call_id=message.tool_call_id)
    if message.raw is not None and message.raw_from == writer:
        own: AIMessage = message.raw[MESSAGE]
        return own
    return AIMessage(message.text, tool_calls=[_call(call) for call in message.tool_calls])


def _call(call: ToolCall) -> Any:
    return {"type": "tool_call", "id": call.id, "name": call.name, "args": arguments(call.arguments)}


def arguments(text: str) -> dict[str, Any]:
    """Return the arguments of a call; what is no JSON object goes back to the model as none."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
