"""What every model adapter fulfils, and what it is asked."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from smarter_runtime.events import Event, Message, ToolOffer, Usage

CHARACTERS_PER_TOKEN = 4


ANY_TOOL = "*"
"""In place of a tool's name: no tool can be called that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonFormat:
    """The answer shall be JSON: of a schema, or any object."""

    name: str = ""
    description: str = ""
    schema: Mapping[str, Any] | None = None
    is_strict: bool | None = None

    def members(self) -> dict[str, Any]:
        """Return what providers are told about the schema; what is not set is not in it."""
        values = {"name": self.name, "description": self.description, "schema": self.schema, "strict": self.is_strict}
        return {name: value for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How the model shall answer. `None` means: not sent to the provider."""

    model: str
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_format: JsonFormat | None = None
    parallel_tool_calls: bool | None = None
    client_id: str = ""
    """A pseudonym of who asks, for providers that look for abuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One round: what was said so far, and the tools on offer."""

    messages: tuple[Message, ...]
    offers: tuple[ToolOffer, ...]
    parameters: Parameters
    may_call_tools: bool = True
    must_call: str = ""
    """The tool that the model has to call, or `ANY_TOOL`; empty: it may choose."""


class Model(Protocol):
    """Turns a request into events; the last one is `Finish`, failures are raised as `ModelFailed`."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Event, None]: ...


def author(provider: str, model: str) -> str:
    """Return who wrote a message: what a provider adds to one means something to the same model only."""
    return f"{provider}/{model}"


def estimated_usage(request: ModelRequest, written: str) -> Usage:
    """Return about how many tokens a round took, for models that do not count: four characters are one token."""
    read = sum(
        len(message.text) + sum(len(call.arguments) for call in message.tool_calls) for message in request.messages
    )
    read += sum(len(offer.name) + len(offer.description) + len(str(offer.parameters)) for offer in request.offers)
    return Usage(_tokens(read), _tokens(len(written)), is_estimate=True)


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
