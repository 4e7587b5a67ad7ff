"""Whether the parameters that a Plugin's texts and test values name are declared."""

from collections.abc import Iterator

from smarter_crds.compile.problems import Problem
from smarter_crds.parameters import Parameter
from smarter_crds.placeholders import names
from smarter_crds.plugin import Plugin
from smarter_crds.tools import Api


def check_declared(plugin: Plugin) -> Iterator[Problem]:
    """Yield a problem for every parameter that is used and not declared, or declared and not tried out."""
    tool = plugin.spec.api or plugin.spec.sql
    declared = {parameter.name: parameter for parameter in tool.parameters} if tool else {}
    if plugin.spec.type == "Api" and plugin.spec.api:
        yield from _undeclared(plugin.spec.api, set(declared))
    if plugin.spec.type != "Static" and plugin.spec.test_values:
        yield from _untried(plugin, declared)


def _undeclared(api: Api, declared: set[str]) -> Iterator[Problem]:
    reported: set[str] = set()
    for place, text in _texts(api):
        for name in names(text):
            if name not in declared and name not in reported:
                reported.add(name)
                yield Problem(
                    "UndeclaredParameter",
                    f"`spec.api.{place}` uses `{{{name}}}`, which is no parameter; declare it in "
                    "`spec.api.parameters`.",
                )


def _texts(api: Api) -> Iterator[tuple[str, str]]:
    yield "path", api.path
    yield from (("query", pair.value) for pair in api.query)
    yield from (("headers", header.value) for header in api.headers)
    yield from (("body", text) for text in _strings(api.body))


def _strings(value: object) -> Iterator[str]:
    """Yield the strings in a JSON value, however deep, without recursion."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += reversed(found.values())
        elif isinstance(found, list):
            waiting += reversed(found)


def _untried(plugin: Plugin, declared: dict[str, Parameter]) -> Iterator[Problem]:
    tried = {value.name for value in plugin.spec.test_values}
    for name in sorted(tried - declared.keys()):
        yield Problem(
            "UndeclaredParameter", f"`spec.testValues` names `{name}`, which is no parameter; declare or remove it."
        )
    for name, parameter in declared.items():
        if parameter.required and name not in tried:
            yield Problem(
                "TestValueMissing",
                f"`spec.testValues` lacks the required parameter `{name}`; add a value, or remove `spec.testValues`.",
            )
