"""What is decided about an answer before the model is asked: what it reads, which tools it gets, which model it is."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from smarter_crds.runtime_config import ModelChoice, PluginConfig, RuntimeConfig
from smarter_runtime.bot import Bot
from smarter_runtime.events import Message, ToolCall, ToolOffer
from smarter_runtime.models import ANY_TOOL, JsonFormat, ModelRequest, Parameters
from smarter_runtime.prompt import first_kept, prompt
from smarter_runtime.selection import Found, Selected, select
from smarter_runtime.tools import Claims


@dataclass(frozen=True)
class Confirmed:
    """A call that the person has confirmed."""

    call: ToolCall
    claim: Callable[[], Awaitable[str]]
    """Takes the confirmation; returns why the call must not be made, for the model to read; empty: it may."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the client may ask for about an answer."""

    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    client_id: str = ""
    claims: Claims = field(default_factory=dict)
    """What the person's signed identity says, verified before; tools get values from it that no model can set."""
    confirmed: tuple[Confirmed, ...] = ()
    """Calls that are made before the model is asked."""
    temperature: float | None = None
    top_p: float | None = None
    json_format: JsonFormat | None = None
    tools: tuple[ToolOffer, ...] = ()
    """The client's own, by name: their calls are for the client to make."""
    tool_choice: str = "auto"
    """About the client's own tools: `auto`, `none`, `required`, or the name of the one to call."""
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What of a turn happened in earlier answers, which ended for the client to run tools of its own."""

    called: frozenset[str] = frozenset()
    """Names of the tools that were called."""
    calls_left: int | None = None
    """How many more of our own tools may be called; None: the turn begins now."""
    found: tuple[Found, ...] | None = None
    """What the messages before the question brought in, where that is remembered; None: it is found anew."""


_NOTHING_BEGUN = Begun()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one answer; it keeps to the config that was in service when the question came."""

    bot: Bot
    messages: tuple[Message, ...]
    selected: tuple[str, ...]
    """Names of the plugins that are selected, in the order of their selection."""
    offered: frozenset[str]
    """Names of the tools that the model may call."""
    wishes: Wishes
    begun: Begun = _NOTHING_BEGUN
    selection: tuple[Selected, ...] = ()
    """The selected plugins, with the messages that brought them in."""
    kept_from: int = 0
    """Index of the first message of the history that the model still reads."""

    @property
    def client_tools(self) -> frozenset[str]:
        """Names of the client's tools that the model may call."""
        return frozenset() if self.wishes.tool_choice == "none" else frozenset(each.name for each in self.wishes.tools)

    @property
    def max_tool_calls(self) -> int:
        """How often our own tools may be called in what is left of the turn."""
        if self.begun.calls_left is not None:
            return self.begun.calls_left
        return self.bot.config.limits.max_tool_calls_per_turn if self.offered else 0

    @property
    def fallbacks(self) -> tuple[ModelChoice, ...]:
        return self.bot.config.model.fallbacks

    def choice(self, called: frozenset[str]) -> ModelChoice:
        """Return the model to ask, after the tools in `called` were called."""
        overrides = [
            each.model.model_dump(exclude_none=True)
            for each in self.bot.config.plugins
            if each.name in self.selected or _is_selected_by_call(each, called)
        ]
        # The first plugin that sets a member wins.
        members = {name: value for override in reversed(overrides) for name, value in override.items()}
        return self.bot.config.model.model_copy(update=members)

    def request(self, choice: ModelChoice, messages: tuple[Message, ...], *, may_call_tools: bool) -> ModelRequest:
        wanted = self.wishes.tool_choice
        # Who insists on a call of one of his tools is not served by a call of ours.
        own = () if wanted == "required" else self.bot.toolbox.offers(self.offered)
        return ModelRequest(
            messages=messages,
            offers=(*own, *(each for each in self.wishes.tools if each.name in self.client_tools)),
            parameters=self._parameters(choice),
            may_call_tools=may_call_tools,
            must_call="" if wanted in ("auto", "none") else ANY_TOOL if wanted == "required" else wanted,
        )

    def roles_of(self, calls: Iterable[ToolCall], called: frozenset[str]) -> tuple[Message, ...]:
        """Return the roles that join because the model has called their plugins for the first time."""
        new = {call.name for call in calls} - called
        plugins = [each for each in self.bot.config.plugins if each.name in new and each.selector.directive == "Llm"]
        return tuple(Message("system", each.system_role) for each in plugins if each.system_role)

    def _parameters(self, choice: ModelChoice) -> Parameters:
        wishes = self.wishes
        return Parameters(
            model=choice.name,
            temperature=choice.temperature if wishes.temperature is None else wishes.temperature,
            max_tokens=_smaller(choice.max_tokens, wishes.max_tokens),
            top_p=choice.top_p if wishes.top_p is None else wishes.top_p,
            reasoning_effort=choice.reasoning_effort.lower() if choice.reasoning_effort else None,
            seed=wishes.seed,
            stop=wishes.stop,
            json_format=wishes.json_format,
            parallel_tool_calls=wishes.parallel_tool_calls,
            client_id=wishes.client_id,
        )


def plan(
    bot: Bot,
    history: Sequence[Message],
    wishes: Wishes,
    max_history_characters: int,
    now: datetime,
    begun: Begun = _NOTHING_BEGUN,
) -> Plan:
    """Return the plan of the answer to the last message of `history`: a question, or results of the client's tools."""
    config, history, since = bot.config, *_turn(history)
    first = 0 if begun.found is None else len(history) - 1
    selected = select(bot.selectors, history, config.limits.max_selected_plugins, begun.found or (), first)
    kept_from = first_kept(history, max_history_characters)
    names = frozenset(each.plugin.name for each in selected) | _offered_always(config) | bot.functions
    return Plan(
        bot=bot,
        # What the turn has brought since the question comes after the date, as it did when it came.
        messages=prompt(config, history, selected, kept_from, now) + since,
        selected=tuple(each.plugin.name for each in selected),
        offered=bot.toolbox.usable(names, wishes.claims),
        wishes=wishes,
        begun=begun,
        selection=selected,
        kept_from=kept_from,
    )


def _turn(history: Sequence[Message]) -> tuple[Sequence[Message], tuple[Message, ...]]:
    """Return `history` to its last question, and what has come since."""
    end = next((index for index in range(len(history), 0, -1) if history[index - 1].role == "user"), len(history))
    return history[:end], tuple(history[end:])


def _offered_always(config: RuntimeConfig) -> frozenset[str]:
    return frozenset(each.name for each in config.plugins if each.selector.directive == "Llm")


def _is_selected_by_call(plugin: PluginConfig, called: frozenset[str]) -> bool:
    return plugin.selector.directive == "Llm" and plugin.name in called


def _smaller(bound: int | None, wish: int | None) -> int | None:
    bounds = [each for each in (bound, wish) if each is not None]
    return min(bounds) if bounds else None
