"""What pods report, by what it harms: the answers, some plugins, or nothing that keeps the bot from answering."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from smarter_crds.runtime_config import ModelConfig, PluginConfig, RuntimeConfig, RuntimeProblem
from smarter_operator.kinds import API_CONNECTION, PROVIDER, SQL_CONNECTION, STORE
from smarter_operator.pods import PodReport

Harm = Literal["Answers", "Plugins", "Nothing"]

_CONNECTIONS = (SQL_CONNECTION.name, API_CONNECTION.name)

_OF_CONNECTIONS: Mapping[str, Harm] = {"RoleTooPowerful": "Nothing"}
"""Reasons with which a connection can be used all the same."""

_OF_THE_BOT: Mapping[str, Harm] = {
    "FunctionOff": "Plugins",
    "IdentityKeysMissing": "Nothing",
    "TracingUnavailable": "Nothing",
    "UsageNotCollected": "Nothing",
}
"""Reasons that are about no resource, and do not keep the bot from answering."""


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """All that the pods of a bot report, each in the order of their reasons, for pods answer in any order."""

    answers: Sequence[RuntimeProblem] = ()
    """What keeps a pod from answering."""
    plugins: Sequence[RuntimeProblem] = ()
    """What keeps a pod from using a plugin, or another tool."""
    besides: Sequence[RuntimeProblem] = ()


def troubles(reports: Iterable[PodReport], config: RuntimeConfig | None) -> Troubles:
    """Sort what pods report that serve `config`; None: what they serve is not known."""
    found = [(_harm(problem, report, config), problem) for report in reports for problem in report.problems]
    return Troubles(
        answers=_sorted(problem for harm, problem in found if harm == "Answers"),
        plugins=_sorted(problem for harm, problem in found if harm == "Plugins"),
        besides=_sorted(problem for harm, problem in found if harm == "Nothing"),
    )


def _sorted(problems: Iterable[RuntimeProblem]) -> tuple[RuntimeProblem, ...]:
    # Several pods say the same.
    different = {(problem.reason, problem.message): problem for problem in problems}
    return tuple(problem for _, problem in sorted(different.items()))


def _harm(problem: RuntimeProblem, report: PodReport, config: RuntimeConfig | None) -> Harm:
    resource = problem.resource
    if resource is None:
        return _OF_THE_BOT.get(problem.reason, "Answers")
    if resource.kind in _CONNECTIONS:
        return _OF_CONNECTIONS.get(problem.reason, "Plugins")
    if resource.kind == STORE.name:
        # Money is spent by nobody who does not know how much there is; everything else does without a Store.
        return "Answers" if config and config.budget else "Nothing"
    if resource.kind == PROVIDER.name and config is not None:
        return _of_provider(resource.name, _in_trouble(report), config)
    return "Answers"


def _of_provider(name: str, in_trouble: set[str], config: RuntimeConfig) -> Harm:
    is_asked = name in _asked_first(config.model, config.plugins)
    if is_asked and all(fallback.provider in in_trouble for fallback in config.model.fallbacks):
        return "Answers"
    return "Plugins" if any(name == plugin.model.provider for plugin in config.plugins) else "Nothing"


def _asked_first(model: ModelConfig, plugins: Iterable[PluginConfig]) -> Iterator[str]:
    """Yield the providers whose models are asked in turns that select no plugin by their words."""
    yield model.provider
    yield from (each.model.provider or "" for each in plugins if each.selector.directive == "Always")


def _in_trouble(report: PodReport) -> set[str]:
    named = (problem.resource for problem in report.problems)
    return {resource.name for resource in named if resource and resource.kind == PROVIDER.name}
