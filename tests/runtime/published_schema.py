"""What OpenAI publishes about its APIs, by the types of its SDK: says what is wrong with a request."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

Body = Mapping[str, Any]
# Fields of other servers, by their documentation.
OTHERS = frozenset({"random_seed"})


def faults(path: str, body: Body) -> list[str]:
    """Return why a server with the published API would refuse `body`."""
    is_responses = path.endswith("/responses")
    adapter, names = _published(is_responses)
    unknown = [f"unknown parameter {name}" for name in sorted(set(body) - names)]
    try:
        consume(adapter.validate_python(body))
    except ValidationError as error:
        return [*unknown, str(error)[:500]]
    return [*unknown, *(_item_faults(body) if is_responses else _message_faults(body))]


@cache
def _published(is_responses: bool) -> tuple[TypeAdapter[Any], frozenset[str]]:
    # Thousands of types: a second to build.
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

    if is_responses:
        return TypeAdapter(ResponseCreateParamsStreaming), frozenset(ResponseCreateParamsStreaming.__annotations__)
    known = frozenset(CompletionCreateParamsStreaming.__annotations__)
    return TypeAdapter(CompletionCreateParamsStreaming), known | OTHERS


def consume(value: Any) -> None:
    """Look at everything: lists are validated when they are read."""
    if isinstance(value, Mapping):
        for member in value.values():
            consume(member)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for member in value:
            consume(member)


def _message_faults(body: Body) -> Iterator[str]:
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"a tool's message answers no call: {message['tool_call_id']}"
            else:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            yield f"calls without an answer: {open_calls}"
        open_calls = [call["id"] for call in message.get("tool_calls", ())]
    if open_calls:
        yield f"calls without an answer: {open_calls}"


def _item_faults(body: Body) -> Iterator[str]:
    if body.get("store") is not False:
        yield "something is stored"
    calls, answers = set(), set()
    for item in body["input"]:
        if item.get("type") == "reasoning" and not item.get("encrypted_content"):
            yield f"Item with id '{item['id']}' not found: it was not stored"
        elif item.get("type") == "function_call":
            calls.add(item["call_id"])
        elif item.get("type") == "function_call_output":
            answers.add(item["call_id"])
            if item["call_id"] not in calls:
                yield f"No tool call found for output {item['call_id']}"
    if calls - answers:
        yield f"No tool output found for function calls {sorted(calls - answers)}"


def mistral_faults(body: Body) -> list[str]:
    """Return what Mistral refuses besides."""
    ids = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
    ids += [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
    refused = {"stream_options", "seed", "max_completion_tokens", "store", "safety_identifier"} & set(body)
    return [f"id {each}" for each in ids if not re.fullmatch("[a-zA-Z0-9]{9}", each)] + sorted(refused)
