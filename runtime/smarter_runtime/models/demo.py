"""A model without intelligence and without network: it looks up, by shared words, and says what it found."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from smarter_runtime.events import Event, Finish, FinishReason, Message, Text, ToolCall, ToolOffer
from smarter_runtime.models import CHARACTERS_PER_TOKEN, ModelRequest, Parameters, estimated_usage
from smarter_runtime.models.demo_facts import best_facts, content_words, sentence, shared
from smarter_runtime.models.demo_functions import FUNCTIONS, obvious_call, told
from smarter_runtime.models.demo_tools import fitting_call

SLOW_SUFFIX = "-slow"
SLOW_PAUSE_SECONDS = 0.05
MAX_LOOKUPS = 8
PARAMETER = "inquiry_type"


@dataclass(frozen=True)
class Lookup:
    """A call that the model could make."""

    tool: str
    key: str

    @property
    def is_whole_answer(self) -> bool:
        """Whether all of the result is about the question: that of a call of a function, or with values from it."""
        return not self.key


class DemoModel:
    """The same request always gives the same answer; a model name that ends in `-slow` writes slowly."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]:
        if request.may_call_tools and (call := first_call(request)):
            yield call
            yield estimated_usage(request, call.arguments)
            yield Finish("tool_calls")
            return
        lookups = next_lookups(request) if request.may_call_tools else []
        for number, lookup in enumerate(lookups, len(_lookups_made(request.messages))):
            yield ToolCall(f"call_demo_{number}", lookup.tool, _arguments(lookup))
        if lookups:
            yield estimated_usage(request, "".join(_arguments(lookup) for lookup in lookups))
            yield Finish("tool_calls")
            return
        text, reason = bounded(answer(request), request.parameters)
        pause = SLOW_PAUSE_SECONDS if request.parameters.model.endswith(SLOW_SUFFIX) else 0
        for word in _pieces(text):
            yield Text(word)
            await asyncio.sleep(pause)
        yield estimated_usage(request, text)
        yield Finish(reason)


def first_call(request: ModelRequest) -> ToolCall | None:
    """Return the call of a built-in function or of a tool with parameters that the question obviously asks for."""
    question, results = _current_turn(request.messages)
    if results:
        return None
    without_keys = [offer for offer in request.offers if not _keys(offer)]
    call = obvious_call(question, [offer.name for offer in without_keys])
    call = call or fitting_call(question, [offer for offer in without_keys if offer.name not in FUNCTIONS])
    return call and ToolCall(f"call_demo_{len(_lookups_made(request.messages))}", *call)


def next_lookups(request: ModelRequest) -> list[Lookup]:
    """Return the call that fits the question best; when it told nothing, the next ones at once; then no more."""
    question, results = _current_turn(request.messages)
    words = content_words(question)
    if not words or any(lookup.is_whole_answer or best_facts(text, words, lookup.key) for lookup, text in results):
        return []
    ranked = _ranked(request.offers, words)
    return ranked[:1] if not results else ranked[1:MAX_LOOKUPS] if len(results) == 1 else []


def answer(request: ModelRequest) -> str:
    question, results = _current_turn(request.messages)
    words = content_words(question)
    for lookup, text in results:
        if lookup.is_whole_answer:
            return f"According to {lookup.tool}: {told(text)}"
        facts = best_facts(text, words, lookup.key)
        if facts:
            return f"According to {lookup.tool} ({lookup.key}): {sentence(facts)}"
    if results:
        places = ", ".join(f"{lookup.tool} ({lookup.key})" for lookup, _ in results)
        return f"I looked in {places} and found nothing about that. I am a demo model: use the words of the data."
    if not request.offers:
        return "Hello! I am a demo model: I know nothing myself, and no plugin of this chatbot fits your message."
    topics = "; ".join(f"{offer.name}: {offer.description}" for offer in request.offers)
    return f"Hello! I am a demo model: I know nothing myself, but I can look things up. Ask me about {topics}"


def bounded(text: str, parameters: Parameters) -> tuple[str, FinishReason]:
    """Return what is left of `text` before a stop sequence and within the token limit, and why it ends."""
    ends = [position for stop in parameters.stop if (position := text.find(stop)) >= 0]
    text = text[: min(ends, default=len(text))]
    limit = (parameters.max_tokens or len(text)) * CHARACTERS_PER_TOKEN
    return (text[:limit], "length") if len(text) > limit else (text, "stop")


def _ranked(offers: Sequence[ToolOffer], words: frozenset[str]) -> list[Lookup]:
    """Return all possible calls, the best first: by the words of key and tool, then the key that says least besides."""
    scored = [
        (-3 * shared(words, key) - shared(words, f"{offer.name} {offer.description}"), Lookup(offer.name, key))
        for offer in offers
        for key in _keys(offer)
    ]
    return [lookup for _, lookup in sorted(scored, key=lambda pair: (pair[0], len(content_words(pair[1].key))))]


def _keys(offer: ToolOffer) -> list[str]:
    keys: list[str] = offer.parameters.get("properties", {}).get(PARAMETER, {}).get("enum", [])
    return keys


def _current_turn(messages: Sequence[Message]) -> tuple[str, list[tuple[Lookup, str]]]:
    """Return the last question, and the calls made since with their results."""
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    question = messages[last].text if last >= 0 else ""
    results = {message.tool_call_id: message.text for message in messages[last + 1 :] if message.role == "tool"}
    return question, [(lookup, results.get(id_, "")) for id_, lookup in _lookups_made(messages[last + 1 :])]


def _lookups_made(messages: Sequence[Message]) -> list[tuple[str, Lookup]]:
    calls = [call for message in messages for call in message.tool_calls]
    return [(call.id, Lookup(call.name, _key(call))) for call in calls]


def _arguments(lookup: Lookup) -> str:
    return json.dumps({PARAMETER: lookup.key}, ensure_ascii=False)


def _key(call: ToolCall) -> str:
    return str(json.loads(call.arguments).get(PARAMETER, ""))


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)
