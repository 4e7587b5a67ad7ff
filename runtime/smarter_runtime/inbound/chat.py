"""What a client may send to `/v1/chat/completions`, field by field."""

from collections.abc import Sequence
from typing import Any

from smarter_runtime.errors import invalid
from smarter_runtime.inbound import Ask, Reader
from smarter_runtime.inbound.confirming import FIELD, confirmed_tokens
from smarter_runtime.inbound.fields import Table, fields, includes_usage
from smarter_runtime.inbound.formats import nested_format
from smarter_runtime.inbound.messages import messages
from smarter_runtime.inbound.tools import tools
from smarter_runtime.inbound.values import Given, flag, integer, number
from smarter_runtime.plan import Wishes

MAX_STOPS = 4
TABLE = Table(
    honoured=frozenset(
        {"messages", "stream", "stream_options", "seed", "stop", "max_tokens", "max_completion_tokens", "model", FIELD}
    ),
    overridden=frozenset({"store", "user", "safety_identifier", "metadata"}),
    with_key=frozenset({"temperature", "top_p", "response_format", "tools", "tool_choice", "parallel_tool_calls"}),
    refused={
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
    },
    harmless={"n": (1,), "logprobs": (False,)},
)


def chat_request(body: Any, reader: Reader) -> Ask:
    """Return what `body` asks for.

    Raises:
        ApiError: with a sentence that names the field, for everything that cannot be done as asked.
    """
    given = fields(body, TABLE, reader)
    stream = bool(flag(given, "stream"))
    read = messages(given.get("messages"), reader)
    return Ask(
        messages=tuple(each.message for each in read),
        places=tuple(each.place for each in read),
        wishes=_wishes(given, reader),
        confirm=confirmed_tokens(given),
        stream=stream,
        include_usage=includes_usage(given.get("stream_options"), stream),
    )


def _wishes(given: Given, reader: Reader) -> Wishes:
    theirs = tools(given, "nested", reader)
    return Wishes(
        max_tokens=_max_tokens(given),
        seed=integer(given, "seed"),
        stop=_stop(given.get("stop")),
        temperature=number(given, "temperature", 0, 2),
        top_p=number(given, "top_p", 0, 1),
        json_format=nested_format(given.get("response_format"), "response_format"),
        tools=theirs.offers,
        tool_choice=theirs.choice,
        parallel_tool_calls=flag(given, "parallel_tool_calls"),
    )


def _max_tokens(given: Given) -> int | None:
    limits = [integer(given, name, least=1) for name in ("max_tokens", "max_completion_tokens")]
    return min((limit for limit in limits if limit is not None), default=None)


def _stop(value: Any) -> tuple[str, ...]:
    stops: Sequence[Any] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if value is not None and (not stops or len(stops) > MAX_STOPS or not all(isinstance(s, str) and s for s in stops)):
        raise invalid(f"`stop` must be a text or a list of 1 to {MAX_STOPS} texts.", "stop")
    return tuple(stops)
