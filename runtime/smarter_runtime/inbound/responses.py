"""What a client may send to `/v1/responses`, field by field."""

from collections.abc import Iterator
from typing import Any

from smarter_runtime.inbound import Ask, Reader
from smarter_runtime.inbound.confirming import FIELD, confirmed_tokens
from smarter_runtime.inbound.fields import Table, fields, includes_usage
from smarter_runtime.inbound.formats import flat_format
from smarter_runtime.inbound.items import conversation
from smarter_runtime.inbound.messages import Placed, context
from smarter_runtime.inbound.tools import tools
from smarter_runtime.inbound.values import Given, flag, integer, mapping, number, only, text
from smarter_runtime.plan import Wishes

_STATELESS = "This API keeps nothing between requests; leave `{}` out and send the whole conversation in `input`."
TABLE = Table(
    honoured=frozenset({"input", "stream", "stream_options", "max_output_tokens", "model", FIELD}),
    overridden=frozenset(
        {"store", "user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention"}
    ),
    with_key=frozenset({"instructions", "temperature", "top_p", "text", "tools", "tool_choice", "parallel_tool_calls"}),
    refused={
        "previous_response_id": _STATELESS.format("previous_response_id"),
        "conversation": _STATELESS.format("conversation"),
        "background": "Answers cannot be made in the background; leave `background` out.",
        "include": "Nothing more can be included; leave `include` out.",
        "max_tool_calls": "How many tools are called is set by the chatbot; leave `max_tool_calls` out.",
        "prompt": "Stored prompts are not available; leave `prompt` out.",
        "reasoning": "How much the model reasons is set by the chatbot; leave `reasoning` out.",
        "service_tier": "The service tier is set by the chatbot; leave `service_tier` out.",
        "top_logprobs": "Log probabilities are not available; leave `top_logprobs` out.",
        "truncation": "Long conversations are always shortened by their oldest turns; leave `truncation` out.",
    },
    harmless={
        "background": (False,),
        # No reasoning leaves the chatbot, and what there is goes back to the model by itself.
        "include": ([], ["reasoning.encrypted_content"]),
        "reasoning": ({},),
        "top_logprobs": (0,),
        "truncation": ("auto",),
    },
)


def responses_request(body: Any, reader: Reader) -> Ask:
    """Return what `body` asks for.

    Raises:
        ApiError: with a sentence that names the field, for everything that cannot be done as asked.
    """
    given = fields(body, TABLE, reader)
    stream = bool(flag(given, "stream"))
    includes_usage(given.get("stream_options"), stream)
    read = conversation(given.get("input"), reader)
    read = (*_instructions(given, reader), *read)
    return Ask(
        messages=tuple(each.message for each in read),
        places=tuple(each.place for each in read),
        wishes=_wishes(given, reader),
        confirm=confirmed_tokens(given),
        stream=stream,
        echo={name: given[name] for name in _ECHOED if name in given},
    )


_ECHOED = (
    *("instructions", "max_output_tokens", "parallel_tool_calls", "temperature", "text", "tool_choice", "tools"),
    "top_p",
)


def _instructions(given: Given, reader: Reader) -> Iterator[Placed]:
    if given.get("instructions"):
        said = text(given, "instructions", "", most=reader.max_context_characters)
        yield Placed("instructions", context(said))


def _wishes(given: Given, reader: Reader) -> Wishes:
    theirs = tools(given, "flat", reader)
    return Wishes(
        max_tokens=integer(given, "max_output_tokens", least=1),
        temperature=number(given, "temperature", 0, 2),
        top_p=number(given, "top_p", 0, 1),
        json_format=flat_format(_format(given.get("text")), "text.format"),
        tools=theirs.offers,
        tool_choice=theirs.choice,
        parallel_tool_calls=flag(given, "parallel_tool_calls"),
    )


def _format(value: Any) -> Any:
    if value is None:
        return None
    settings = mapping(value, "text")
    only(settings, ("format",), "text")
    return settings.get("format")
