"""The formats in which models are asked over HTTP: where, with which body, and how the answer's events are read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.events import Event
from smarter_runtime.models import ModelRequest
from smarter_runtime.models.chat_assemble import ChatAssembler
from smarter_runtime.models.chat_body import chat_body
from smarter_runtime.models.responses_assemble import ResponsesAssembler
from smarter_runtime.models.responses_body import responses_body


class Assembler(Protocol):
    """Takes the chunks of one answer and gives events."""

    @property
    def is_whole(self) -> bool:
        """Whether the provider has said how its answer ended."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of interest can follow."""

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]: ...
    def end(self) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Wire:
    """One format."""

    path: str
    """Below the provider's base URL."""
    member: str
    """What an answer has that comes as one document."""
    knows_stops: bool
    """Whether providers can be asked to end an answer at a stop sequence."""
    body: Callable[[ModelRequest, ProviderConfig], dict[str, Any]]
    assembler: Callable[[], Assembler]


WIRES: Mapping[str, Wire] = {
    "ChatCompletions": Wire("/chat/completions", "choices", True, chat_body, ChatAssembler),
    "Responses": Wire("/responses", "output", False, responses_body, ResponsesAssembler),
}
