"""The tools of one bot: what is offered to the model, and how a call becomes a result."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from smarter_runtime.events import ToolCall, ToolOffer, ToolResult

Arguments = Mapping[str, Any]
Claims = Mapping[str, Any]
"""What the signed identity of the person says; empty for somebody unknown."""

NOBODY: Claims = MappingProxyType({})
WAITS = (
    "Not done yet. The person sees this call now and must confirm it by a button; it is made then. Say what will be "
    "done and ask them to confirm. Do not call the tool again."
)
MAX_CONFIRMED_CHARACTERS = 16_000
"""Of arguments that a person is shown."""


class ToolFailed(Exception):
    """The tool could not do it, and the model should know why."""


def _whoever(claims: Claims) -> bool:
    return True


def _as_given(arguments: Arguments, claims: Claims) -> Arguments:
    return arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What the model may call: the offer, the check of its arguments, and the work."""

    offer: ToolOffer
    check: Callable[[Arguments], None]
    """Raises `ToolFailed` for arguments that do not fit the offer's schema."""
    run: Callable[[Arguments], Awaitable[str]]
    max_characters: int
    timeout_seconds: float = 30
    is_for: Callable[[Claims], bool] = _whoever
    """Tells whether the tool can be offered to a person with these claims."""
    completed: Callable[[Arguments, Claims], Arguments] = _as_given
    """Returns the checked arguments together with what the model does not give."""
    is_write: bool = False
    """Whether a call changes something: once begun, it is finished, whether anybody waits for it or not."""
    needs_confirmation: bool = False
    """Whether the person must confirm a call before it is made."""
    version: str = ""
    """What changes when the tool would do something else with the same arguments."""


class Toolbox:
    """All tools of one bot, by name."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.offer.name: tool for tool in tools}
        self._writes: set[asyncio.Task[str]] = set()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._tools)

    def tool(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def offers(self, names: Iterable[str]) -> tuple[ToolOffer, ...]:
        """Return the offers in an order that does not depend on the conversation, for the providers' prefix caches."""
        return tuple(self._tools[name].offer for name in sorted(names) if name in self._tools)

    def usable(self, names: Iterable[str], claims: Claims) -> frozenset[str]:
        """Return those of `names` whose tools work for a person with these claims."""
        return frozenset(name for name in names if name not in self._tools or self._tools[name].is_for(claims))

    async def call(
        self, call: ToolCall, offered: frozenset[str], claims: Claims = NOBODY, *, is_confirmed: bool = False
    ) -> ToolResult:
        """Run one tool. What the model can repair comes back as a result; a bug is raised."""
        try:
            tool, arguments = self._checked(call, offered)
            completed = tool.completed(arguments, claims)
            if tool.needs_confirmation and not is_confirmed:
                return ToolResult(call, WAITS, waiting=_shown(call, tool, completed))
            return ToolResult(call, cut(await self._run(tool, completed), tool.max_characters))
        except ToolFailed as error:
            return ToolResult(call, str(error), is_error=True)
        except TimeoutError:
            return ToolResult(call, f"The tool {call.name!r} did not answer in time.", is_error=True)

    def _checked(self, call: ToolCall, offered: frozenset[str]) -> tuple[Tool, Arguments]:
        tool = self._tools.get(call.name) if call.name in offered else None
        if tool is None:
            raise ToolFailed(f"There is no tool {call.name[:64]!r}; there are {sorted(offered)}.")
        arguments = _parsed(call.arguments)
        tool.check(arguments)
        return tool, arguments

    async def _run(self, tool: Tool, arguments: Arguments) -> str:
        async def bounded() -> str:
            async with asyncio.timeout(tool.timeout_seconds):
                return await tool.run(arguments)

        if not tool.is_write:
            return await bounded()
        write = asyncio.create_task(bounded())
        self._writes.add(write)
        write.add_done_callback(self._done)
        # Whoever goes away stops the answer; a write that is stopped half-way is worse than one that nobody hears of.
        return await asyncio.shield(write)

    def _done(self, write: asyncio.Task[str]) -> None:
        self._writes.discard(write)
        if not write.cancelled():
            # Looked at, so that nobody complains when the one who waited has gone.
            write.exception()


def _shown(call: ToolCall, tool: Tool, completed: Arguments) -> ToolCall:
    """Return the call with what the person is shown: all that the model may set, defaults included."""
    settable = tool.offer.parameters.get("properties", {})
    shown = {name: value for name, value in completed.items() if name in settable and value is not None}
    arguments = orjson.dumps(shown).decode()
    if len(arguments) > MAX_CONFIRMED_CHARACTERS:
        raise ToolFailed("The arguments are too long for anybody to confirm; shorten them.")
    return ToolCall(call.id, call.name, arguments)


def cut(text: str, at_most: int) -> str:
    """Return `text`, shortened so that the model sees that something is missing."""
    if len(text) <= at_most:
        return text
    note = f"… [cut: the result has {len(text)} characters]"
    return text[: max(0, at_most - len(note))] + note


def _parsed(arguments: str) -> Arguments:
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolFailed("The arguments are no JSON; send one JSON object.") from error
    if not isinstance(value, dict):
        raise ToolFailed("The arguments must be one JSON object.")
    return value
