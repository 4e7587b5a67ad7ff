"""What is to be said of any resource that Chatbots use, by itself: whether it can be used, and what has no effect."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from smarter_crds.compile.connections import (
    api_connection_warnings,
    check_api_connection,
    check_sql_connection,
    check_store,
    sql_connection_warnings,
    store_warnings,
)
from smarter_crds.compile.model import References
from smarter_crds.compile.plugins import check_plugin, plugin_warnings
from smarter_crds.compile.problems import Problem, parse
from smarter_crds.compile.providers import check_provider, provider_warnings
from smarter_crds.compile.static_data import with_data
from smarter_crds.kinds import KINDS
from smarter_crds.plugin import Plugin

Check = Callable[[Any], Iterable[Problem]]
Warnings = Callable[[Any], Iterable[str]]

_JUDGES: Mapping[str, tuple[Check, Warnings]] = {
    "Plugin": (check_plugin, plugin_warnings),
    "Provider": (check_provider, provider_warnings),
    "SqlConnection": (check_sql_connection, sql_connection_warnings),
    "ApiConnection": (check_api_connection, api_connection_warnings),
    "Store": (check_store, store_warnings),
}


@dataclass(frozen=True)
class Judgement:
    """What was found."""

    problems: tuple[Problem, ...] = ()
    """Why it cannot be used."""
    warnings: tuple[str, ...] = ()
    """What is set and has no effect."""


def judge(kind: str, manifest: Mapping[str, Any], references: References | None = None) -> Judgement:
    """Judge an object of the API server; where `references` are given, with what is in the ConfigMaps that it names."""
    resource = parse(KINDS[kind].model, manifest)
    if isinstance(resource, Problem):
        return Judgement((resource,))
    check, warnings = _JUDGES[kind]
    problems = tuple(check(resource))
    if references and isinstance(resource, Plugin) and not problems:
        filled = with_data(resource, references)
        problems = (filled,) if isinstance(filled, Problem) else ()
    return Judgement(problems, tuple(warnings(resource)))
