"""What is decided about an answer before the model is asked: what it reads, which tools it gets, which model it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from smarter_crds.runtime_config import ModelChoice, PluginConfig, RuntimeConfig
from smarter_runtime.bot import Bot
from smarter_runtime.events import Message, ToolCall
from smarter_runtime.models import ModelRequest, Parameters
from smarter_runtime.prompt import first_kept, prompt
from smarter_runtime.selection import select
from smarter_runtime.tools import Claims


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the client may ask for about an answer."""

    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    client_id: str = ""
    claims: Claims = field(default_factory=dict)
    """What the person's signed identity says, verified before; tools get values from it that no model can set."""


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

    @property
    def max_tool_calls(self) -> int:
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
        return ModelRequest(
            messages=messages,
            offers=self.bot.toolbox.offers(self.offered),
            parameters=self._parameters(choice),
            may_call_tools=may_call_tools,
        )

    def roles_of(self, calls: Iterable[ToolCall], called: frozenset[str]) -> tuple[Message, ...]:
        """Return the roles that join because the model has called their plugins for the first time."""
        new = {call.name for call in calls} - called
        plugins = [each for each in self.bot.config.plugins if each.name in new and each.selector.directive == "Llm"]
        return tuple(Message("system", each.system_role) for each in plugins if each.system_role)

    def _parameters(self, choice: ModelChoice) -> Parameters:
        return Parameters(
            model=choice.name,
            temperature=choice.temperature,
            max_tokens=_smaller(choice.max_tokens, self.wishes.max_tokens),
            top_p=choice.top_p,
            reasoning_effort=choice.reasoning_effort.lower() if choice.reasoning_effort else None,
            seed=self.wishes.seed,
            stop=self.wishes.stop,
            client_id=self.wishes.client_id,
        )


def plan(bot: Bot, history: Sequence[Message], wishes: Wishes, max_history_characters: int, now: datetime) -> Plan:
    """Return the plan of the answer to the last message of `history`."""
    config = bot.config
    selected = select(bot.selectors, history, config.limits.max_selected_plugins)
    kept_from = first_kept(history, max_history_characters)
    names = frozenset(each.plugin.name for each in selected) | _offered_always(config) | bot.functions
    return Plan(
        bot=bot,
        messages=prompt(config, history, selected, kept_from, now),
        selected=tuple(each.plugin.name for each in selected),
        offered=bot.toolbox.usable(names, wishes.claims),
        wishes=wishes,
    )


def _offered_always(config: RuntimeConfig) -> frozenset[str]:
    return frozenset(each.name for each in config.plugins if each.selector.directive == "Llm")


def _is_selected_by_call(plugin: PluginConfig, called: frozenset[str]) -> bool:
    return plugin.selector.directive == "Llm" and plugin.name in called


def _smaller(bound: int | None, wish: int | None) -> int | None:
    bounds = [each for each in (bound, wish) if each is not None]
    return min(bounds) if bounds else None
