"""What clients ask for: requests of every format, read field by field into one form; nothing is guessed or ignored."""

from collections.abc import Callable
from dataclasses import dataclass

from smarter_runtime.events import Message, ToolCall
from smarter_runtime.plan import Wishes


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that can be served."""

    messages: tuple[Message, ...]
    """As the client sent them: tool calls have the ids that this API gave out."""
    wishes: Wishes
    stream: bool = False
    include_usage: bool = False


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
    is_issued: Callable[[ToolCall], bool]
    """Whether a tool call came from an answer to this caller."""
    max_prompt_characters: int
    max_messages: int
    max_context_characters: int
    """Longest context that a caller may give beside the conversation."""
