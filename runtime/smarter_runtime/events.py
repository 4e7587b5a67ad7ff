"""The vocabulary between the tool loop, the models and the tools: messages and events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
FailureKind = Literal[
    "auth", "key_missing", "rate_limited", "quota", "rejected", "context_length", "unavailable", "timeout", "garbage",
    "cut", "address_refused", "no_answer", "parameter_refused", "content_filter", "budget_spent", "budget_unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants a tool to run; `arguments` is the JSON text that it wrote, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation as a model sees it."""

    role: Role
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    # What the model sent, for the model that sent it: some want their own fields back within a turn.
    raw: Mapping[str, Any] | None = None
    raw_from: str = ""


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool as it is shown to the model."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    is_strict: bool = False
    """Whether the provider shall make sure that arguments fit the schema; it then takes only some schemas."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered; an error is an answer too, for the model to repair."""

    call: ToolCall
    content: str
    is_error: bool = False
    waiting: ToolCall | None = None
    """The call as the person must confirm it before it is made; None: it was made, or cannot be."""

    def as_message(self) -> Message:
        return Message("tool", self.content, tool_call_id=self.call.id)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    delta: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks aloud; it is not part of the answer."""

    delta: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one round, or of several added up."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    is_estimate: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.is_estimate or other.is_estimate,
        )

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Finish:
    """The model has ended a round; `raw` is its whole message as the provider sent it."""

    reason: FinishReason
    raw: Mapping[str, Any] | None = None


Event = Text | Reasoning | ToolCall | Usage | Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """The model has called tools of the client's: the answer ends here, and goes on when their results are sent."""

    calls: tuple[ToolCall, ...]
    """The client's calls, with the ids that the model gave them."""
    messages: tuple[Message, ...]
    """What has joined the conversation in this answer, to the message that calls and the results of our own tools."""
    roles: tuple[Message, ...]
    """What joins once the client's results are there."""
    called: frozenset[str]
    calls_left: int
    """How many more of our own tools may be called before the answer is whole."""
    used_ours: bool
    """Whether `messages` holds results that nobody else has."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The model has called tools that want the person's word first."""

    calls: tuple[ToolCall, ...]


class ModelFailed(Exception):
    """The error among the events: the model gave no (whole) reply. Visitors read the text."""

    def __init__(self, kind: FailureKind, message: str, *, retry_after: float | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
        self.detail = detail
        """For the log: codes and addresses, never content."""
