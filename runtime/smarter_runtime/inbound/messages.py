"""The conversation of a request, message by message."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.events import Message, ToolCall
from smarter_runtime.inbound import Reader
from smarter_runtime.inbound.values import Given, items, mapping, needs_api_key, only, text

_CONTEXT = "[Context given by the caller of this API, who is not the chatbot's operator:]\n{}"
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal")
_ROLES = ("system", "developer", "user", "assistant", "tool")
_FIELDS = frozenset({"role", "content", "name"})
ASSISTANT_FIELDS = _FIELDS | {"refusal", "annotations", "audio", "function_call", "reasoning", "tool_calls"}
_TOOL_FIELDS = _FIELDS | {"tool_call_id"}
MAX_CALLS = 128


@dataclass(frozen=True)
class Placed:
    """A message, and where it stands in the request."""

    place: str
    message: Message


def messages(value: Any, reader: Reader) -> tuple[Placed, ...]:
    """Return the messages of ChatCompletions.

    Raises:
        ApiError: with a sentence that names the place.
    """
    if not isinstance(value, list) or not value:
        raise invalid("`messages` must be a list with at least one message.", "messages")
    check_count(len(value), "messages", reader)
    places = [f"messages[{index}]" for index in range(len(value))]
    read = tuple(Placed(place, _message(each, place, reader)) for each, place in zip(value, places, strict=True))
    check(read, "messages", reader)
    return read


def check_count(count: int, place: str, reader: Reader) -> None:
    if count > reader.max_messages:
        text_ = f"`{place}` has {count} entries; at most {reader.max_messages} are read."
        raise invalid(text_, place, "too_many_messages")


def check(read: Sequence[Placed], whole: str, reader: Reader) -> None:
    """Compare the conversation as a whole with what can be answered."""
    if read[-1].message.role not in ("user", "tool"):
        raise invalid("The last message must be the user's, or a tool's result.", f"{read[-1].place}.role")
    for each in read:
        size = len(each.message.text)
        if each.message.role == "user" and size > reader.max_prompt_characters:
            said = f"A message may have {reader.max_prompt_characters} characters; this one has {size}."
            raise invalid(said, f"{each.place}.content", "prompt_too_long")
    context = sum(len(each.message.text) for each in read if each.message.role == "system")
    if context > reader.max_context_characters:
        said = f"System and developer messages may have {reader.max_context_characters} characters together."
        raise invalid(said, whole, "prompt_too_long")
    _check_calls(read, whole)


def _check_calls(read: Sequence[Placed], whole: str) -> None:
    """Every call must have its result, and every result its call: models refuse anything else."""
    open_calls: set[str] = set()
    for each in read:
        if each.message.role == "tool":
            if each.message.tool_call_id not in open_calls:
                raise unknown_call(each.place)
            open_calls.remove(each.message.tool_call_id)
            continue
        if open_calls:
            raise _unanswered(open_calls, each.place)
        open_calls = {call.id for call in each.message.tool_calls}
    if open_calls:
        raise _unanswered(open_calls, whole)


def unknown_call(place: str) -> ApiError:
    said = f"`{place}` answers a tool call that this API did not issue, or that is answered already."
    return invalid(said, place, "unknown_tool_call")


def _unanswered(ids: Iterable[str], place: str) -> ApiError:
    said = f"The results of these tool calls are missing before `{place}`: {', '.join(sorted(ids))}."
    return invalid(said, place, "missing_tool_result")


def context(said: str) -> Message:
    """Return what a caller tells the model beside the conversation, so that nobody takes it for ours."""
    return Message("system", _CONTEXT.format(said))


def _message(value: Any, place: str, reader: Reader) -> Message:
    given = mapping(value, place)
    role = given.get("role")
    if role in ("system", "developer"):
        check_context(role, f"{place}.role", reader)
        only(given, _FIELDS, place)
        return context(said(given, place))
    if role == "tool":
        only(given, _TOOL_FIELDS, place)
        return tool_result(text(given, "tool_call_id", place), content(given.get("content"), f"{place}.content"))
    if role == "assistant":
        only(given, ASSISTANT_FIELDS, place)
        text_ = content(given.get("content"), f"{place}.content")
        return Message("assistant", text_, _calls(given, f"{place}.tool_calls", reader))
    if role != "user":
        known = ", ".join(repr(each) for each in _ROLES)
        raise invalid(f"`{place}.role` must be one of {known}.", f"{place}.role")
    only(given, _FIELDS, place)
    return Message("user", said(given, place))


def check_context(role: Any, place: str, reader: Reader) -> None:
    if not reader.has_key:
        said = f"Messages of the role {role!r} can be sent with an API key only; send user and assistant messages."
        raise needs_api_key(said, place)


def tool_result(id_: str, said: str) -> Message:
    return Message("tool", said, tool_call_id=id_)


def said(given: Given, place: str) -> str:
    """Return the content of a message that must say something."""
    found = content(given.get("content"), f"{place}.content")
    if not found.strip():
        raise invalid(f"`{place}.content` is empty.", f"{place}.content")
    return found


def content(value: Any, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_part(part, f"{place}[{index}]") for index, part in enumerate(value))
    raise invalid(f"`{place}` must be text.", place)


def _part(value: Any, place: str) -> str:
    if isinstance(value, dict) and value.get("type") in _TEXT_PARTS:
        said = value.get("refusal" if value["type"] == "refusal" else "text", "")
        if isinstance(said, str):
            return said
    raise invalid(f"`{place}` is not text; images, audio and files are not supported.", place, "unsupported_content")


def _calls(given: Given, place: str, reader: Reader) -> tuple[ToolCall, ...]:
    values = items(given.get("tool_calls") or [], place, MAX_CALLS)
    return tuple(_call(value, f"{place}[{index}]", reader) for index, value in enumerate(values))


def _call(value: Any, place: str, reader: Reader) -> ToolCall:
    given = mapping(value, place)
    function = mapping(given.get("function"), f"{place}.function")
    arguments = function.get("arguments")
    id_, name = text(given, "id", place), text(function, "name", f"{place}.function")
    return issued_call(ToolCall(id_, name, arguments if isinstance(arguments, str) else ""), place, reader)


def issued_call(call: ToolCall, place: str, reader: Reader) -> ToolCall:
    """Return the call if it is one that the model made in an answer to this caller.

    Raises:
        ApiError: when its id is made up, somebody else's, or that of another tool.
    """
    if reader.turn_of(call) is None:
        raise invalid(f"`{place}` is a tool call that this API did not issue.", place, "unknown_tool_call")
    return call
