"""The parameters of a Plugin's tool: whether their values can be read, and how they appear in a bot's config."""

from collections.abc import Iterator

from smarter_crds.compile.problems import Problem
from smarter_crds.parameters import Parameter
from smarter_crds.plugin import Plugin
from smarter_crds.tool_config import ParameterConfig
from smarter_crds.typed_values import typed

_WRITING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def parameters_of(plugin: Plugin) -> tuple[Parameter, ...]:
    """Return the parameters of the tool that the Plugin's `type` chooses."""
    if plugin.spec.type == "Api" and plugin.spec.api:
        return plugin.spec.api.parameters
    return plugin.spec.sql.parameters if plugin.spec.type == "Sql" and plugin.spec.sql else ()


def parameter_configs(plugin: Plugin) -> tuple[ParameterConfig, ...]:
    return tuple(
        ParameterConfig(
            name=each.name,
            type=each.type,
            description=each.description or "",
            required=bool(each.required),
            enum=each.enum,
            default=each.default,
            claim=each.value_from.claim if each.value_from else "",
        )
        for each in parameters_of(plugin)
    )


def changes_something(plugin: Plugin) -> bool:
    """Tell whether a call of the tool has side effects: as the Plugin says, else by the method of its request."""
    spec = plugin.spec
    if spec.side_effects is not None:
        return spec.side_effects == "Write"
    return spec.type == "Api" and spec.api is not None and spec.api.method in _WRITING_METHODS


def check_parameters(plugin: Plugin) -> Iterator[Problem]:
    """Yield a problem for every default, allowed value and test value that its parameter's type cannot hold."""
    place = f"spec.{plugin.spec.type.lower()}.parameters"
    for parameter in parameters_of(plugin):
        for text in parameter.enum:
            yield from _unreadable(parameter, text, f"`{place}` allows")
        if parameter.default is not None:
            yield from _refused(parameter, parameter.default, f"`{place}` has the default")
    known = {parameter.name: parameter for parameter in parameters_of(plugin)}
    for value in plugin.spec.test_values:
        if value.name in known:
            yield from _refused(known[value.name], value.value, "`spec.testValues` has")


def parameter_warnings(plugin: Plugin) -> Iterator[str]:
    """Yield what is said of parameters and has no effect."""
    if plugin.spec.type == "Static" and plugin.spec.test_values:
        yield f"Plugin {plugin.metadata.name!r}: `spec.testValues` has no effect with type `Static`."
    for parameter in parameters_of(plugin):
        if parameter.default is not None and (parameter.required or parameter.value_from):
            why = "comes from a claim" if parameter.value_from else "is required"
            yield (
                f"Plugin {plugin.metadata.name!r}: the `default` of parameter {parameter.name!r} has no effect, for "
                f"its value {why}."
            )


def _refused(parameter: Parameter, text: str, where: str) -> Iterator[Problem]:
    unreadable = list(_unreadable(parameter, text, where))
    yield from unreadable
    if not unreadable and parameter.enum and text not in parameter.enum:
        said = f"{where} {text[:64]!r} for `{parameter.name}`, which is not in its `enum`; use one of those."
        yield Problem("InvalidValue", said)


def _unreadable(parameter: Parameter, text: str, where: str) -> Iterator[Problem]:
    try:
        typed(parameter.type, text)
    except ValueError as error:
        said = f"{where} {text[:64]!r} for `{parameter.name}`, which is of type `{parameter.type}`; write {error}."
        yield Problem("InvalidValue", said)
