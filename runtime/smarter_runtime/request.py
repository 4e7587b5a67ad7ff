"""What a client may send to `/v1/chat/completions` with a visitor's session, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.events import Message

HONOURED = frozenset(
    {"messages", "stream", "stream_options", "seed", "stop", "max_tokens", "max_completion_tokens", "model"}
)
OVERRIDDEN = frozenset({"store", "user", "safety_identifier", "metadata"})
WITH_API_KEY = frozenset({"temperature", "top_p", "response_format", "tools", "tool_choice", "parallel_tool_calls"})
REFUSED = {
    "n": "This API makes one answer per request; leave `n` out or send 1.",
    "logprobs": "Log probabilities are not available; leave `logprobs` out.",
    "top_logprobs": "Log probabilities are not available; leave `top_logprobs` out.",
    "functions": "`functions` is the old form of `tools` and not supported.",
    "function_call": "`function_call` is the old form of `tool_choice` and not supported.",
    "reasoning_effort": "How much the model reasons is set by the chatbot; leave `reasoning_effort` out.",
    "service_tier": "The service tier is set by the chatbot; leave `service_tier` out.",
    "web_search_options": "Web search is not available; leave `web_search_options` out.",
    "prediction": "Predicted outputs are not supported; leave `prediction` out.",
    "audio": "Audio is not supported; leave `audio` out.",
    "modalities": "Answers are text; leave `modalities` out.",
}
# Values of refused fields that ask for nothing; some clients always send them.
_HARMLESS: dict[str, Any] = {"n": 1, "logprobs": False}
_KEYLESS_ASSISTANT_FIELDS = frozenset({"refusal", "annotations", "audio", "function_call", "tool_calls", "reasoning"})
MAX_STOPS = 4


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A request that can be served."""

    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


def chat_request(body: Any, config: RuntimeConfig, max_messages: int) -> ChatRequest:
    """Return what `body` asks for.

    Raises:
        ApiError: with a sentence that names the field, for everything that cannot be done as asked.
    """
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    given = {name: value for name, value in body.items() if value is not None}
    _check_fields(given)
    _check_model(given.get("model"), config)
    stream = _flag(given, "stream")
    return ChatRequest(
        messages=_messages(given.get("messages"), config.limits.max_prompt_characters, max_messages),
        stream=stream,
        include_usage=_include_usage(given.get("stream_options"), stream),
        max_tokens=_max_tokens(given),
        seed=_integer(given, "seed"),
        stop=_stop(given.get("stop")),
    )


def _check_fields(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in WITH_API_KEY:
            raise needs_api_key(f"`{name}` can be set with an API key only; leave it out.", name)
        if name in REFUSED and (name not in _HARMLESS or value != _HARMLESS[name]):
            raise invalid(REFUSED[name], name, "unsupported_parameter")
        if name not in HONOURED | OVERRIDDEN and name not in REFUSED:
            raise invalid(f"Unknown field {name[:64]!r}; leave it out.", name[:64], "unknown_parameter")


def needs_api_key(message: str, param: str) -> ApiError:
    return ApiError(403, "api_key_required", message, param=param, kind="permission_error")


def _check_model(model: Any, config: RuntimeConfig) -> None:
    if model is not None and model not in (config.model.name, config.bot.name):
        message = f"There is no such model here; use {config.model.name!r} or leave `model` out."
        raise ApiError(404, "model_not_found", message, param="model")


def _messages(value: Any, max_characters: int, max_messages: int) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise invalid("`messages` must be a list with at least one message.", "messages")
    if len(value) > max_messages:
        raise invalid(
            f"`messages` has {len(value)} entries; at most {max_messages} are read.", "messages", "too_many_messages"
        )
    messages = tuple(_message(each, f"messages[{index}]") for index, each in enumerate(value))
    if messages[-1].role != "user":
        raise invalid("The last message must be the user's.", f"messages[{len(messages) - 1}].role")
    for index, message in enumerate(messages):
        if message.role == "user" and len(message.text) > max_characters:
            text = f"A message may have {max_characters} characters; this one has {len(message.text)}."
            raise invalid(text, f"messages[{index}].content", "prompt_too_long")
    return messages


def _message(value: Any, place: str) -> Message:
    if not isinstance(value, dict):
        raise invalid(f"`{place}` must be an object.", place)
    role = value.get("role")
    if role in ("system", "developer"):
        text = f"Messages of the role {role!r} can be sent with an API key only; send user and assistant messages."
        raise needs_api_key(text, f"{place}.role")
    if role in ("tool", "function"):
        raise invalid(f"`{place}` answers a tool call that this API did not issue.", place, "unknown_tool_call")
    if role not in ("user", "assistant"):
        raise invalid(f"`{place}.role` must be 'user' or 'assistant'.", f"{place}.role")
    _check_message_fields(value, role, place)
    text = _content(value.get("content"), f"{place}.content")
    if role == "user" and not text.strip():
        raise invalid(f"`{place}.content` is empty.", f"{place}.content")
    return Message(role, text)


def _check_message_fields(value: Mapping[str, Any], role: str, place: str) -> None:
    if role == "assistant" and value.get("tool_calls"):
        raise invalid(
            f"`{place}` holds tool calls that this API did not issue.", f"{place}.tool_calls", "unknown_tool_call"
        )
    known = {"role", "content", "name"} | (_KEYLESS_ASSISTANT_FIELDS if role == "assistant" else set())
    for name, inner in value.items():
        if name not in known and inner is not None:
            raise invalid(f"Unknown field {name[:64]!r} in `{place}`; leave it out.", place, "unknown_parameter")


def _content(value: Any, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_part(part, f"{place}[{index}]") for index, part in enumerate(value))
    raise invalid(f"`{place}` must be text.", place)


def _part(value: Any, place: str) -> str:
    if isinstance(value, dict) and value.get("type") in ("text", "refusal") and isinstance(value.get("text", ""), str):
        return str(value.get("text", ""))
    raise invalid(f"`{place}` is not text; images, audio and files are not supported.", place, "unsupported_content")


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise invalid(f"`{name}` must be true or false.", name)
    return value


def _integer(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise invalid(f"`{name}` must be a whole number.", name)
    return value


def _max_tokens(given: Mapping[str, Any]) -> int | None:
    values = {name: _integer(given, name) for name in ("max_tokens", "max_completion_tokens")}
    for name, value in values.items():
        if value is not None and value < 1:
            raise invalid(f"`{name}` must be at least 1.", name)
    return min((value for value in values.values() if value is not None), default=None)


def _include_usage(value: Any, stream: bool) -> bool:
    if value is None:
        return False
    if not stream:
        raise invalid("`stream_options` goes with `stream: true` only.", "stream_options")
    if not isinstance(value, dict) or set(value) - {"include_usage", "include_obfuscation"}:
        raise invalid("`stream_options` may hold `include_usage` only.", "stream_options")
    return _flag(value, "include_usage")


def _stop(value: Any) -> tuple[str, ...]:
    stops: Sequence[Any] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if value is not None and (not stops or len(stops) > MAX_STOPS or not all(isinstance(s, str) and s for s in stops)):
        raise invalid(f"`stop` must be a text or a list of 1 to {MAX_STOPS} texts.", "stop")
    return tuple(stops)
