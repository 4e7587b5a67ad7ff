"""What clients ask for: requests of every format, read field by field into one form; nothing is guessed or ignored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smarter_runtime.events import Message, ToolCall
from smarter_runtime.plan import Wishes


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that can be served."""

    messages: tuple[Message, ...]
    """As the client sent them: tool calls have the ids that this API gave out."""
    places: tuple[str, ...]
    """Where each message stands in the request, for complaints."""
    wishes: Wishes
    confirm: tuple[str, ...] = ()
    """Tokens of calls that the person confirms."""
    stream: bool = False
    include_usage: bool = False
    echo: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the answer repeats, where the format does so."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What decides how a request is read."""

    has_key: bool
    """Whether the caller holds an ApiKey, which opens more fields."""
    model: str
    """The bot's model."""
    bot: str
    """The bot's name, which is accepted in place of the model's."""
    own_tools: frozenset[str]
    """Names of the bot's own tools, whether they are on offer or not."""
    turn_of: Callable[[ToolCall], str | None]
    """Which answer to this caller a tool call came from; None: it came from none."""
    max_prompt_characters: int
    max_messages: int
    max_context_characters: int
    """Longest context that a caller may give beside the conversation."""
