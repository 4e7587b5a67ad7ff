"""Plugins of type Api: what is wrong with a request, whichever its connection, and how it appears in a bot's config."""

from collections.abc import Iterator
from urllib.parse import unquote

from smarter_crds.api_config import ApiConfig, PairConfig
from smarter_crds.compile.connections import FORBIDDEN_HEADERS
from smarter_crds.compile.problems import Problem
from smarter_crds.parameters import Parameter
from smarter_crds.placeholders import PLACEHOLDER, names
from smarter_crds.plugin import Plugin
from smarter_crds.tools import Api

DEFAULT_SECONDS = 10

# As whom an API is called is said by the connection, whose owner need not be the Plugin's author.
_OF_THE_CONNECTION = FORBIDDEN_HEADERS | {"accept-encoding", "authorization", "cookie", "proxy-authorization"}


def check_api(plugin: Plugin) -> Iterator[Problem]:
    """Yield why the request cannot be made."""
    api = plugin.spec.api
    if plugin.spec.type != "Api" or api is None:
        return
    yield from _path_problems(api)
    for header in api.headers:
        if header.name.lower() in _OF_THE_CONNECTION:
            text = f"`spec.api.headers` sets {header.name!r}, which belongs to the connection; remove it."
            yield Problem("HeaderForbidden", text)
    if api.body is not None and not isinstance(api.body, dict | list):
        yield Problem("InvalidBody", "`spec.api.body` must be an object or a list; correct it.")
    if api.result and not _is_expression(api.result):
        yield Problem("InvalidExpression", f"`spec.api.result` is no JMESPath expression: {api.result}; correct it.")


def api_config(api: Api) -> ApiConfig:
    return ApiConfig(
        connection=api.connection_ref.name,
        method=api.method,
        path=api.path,
        query=tuple(PairConfig(name=pair.name, value=pair.value) for pair in api.query),
        headers=tuple(PairConfig(name=header.name, value=header.value) for header in api.headers),
        body=api.body,
        result=api.result or "",
        timeout_seconds=api.timeout_seconds or DEFAULT_SECONDS,
    )


def _path_problems(api: Api) -> Iterator[Problem]:
    declared = {parameter.name: parameter for parameter in api.parameters}
    for name in dict.fromkeys(names(api.path)):
        if name in declared and not _always_has_a_value(declared[name]):
            text = (
                f"`spec.api.path` uses `{{{name}}}`, which may be without a value; make the parameter `required`, or "
                "give it a `default`."
            )
            yield Problem("OptionalInPath", text)
    # What stands for a value is judged once the value is known.
    literal = PLACEHOLDER.sub("x", api.path)
    if any(unquote(segment) in (".", "..") for segment in literal.split("/")):
        yield Problem("InvalidPath", "`spec.api.path` has a segment `.` or `..`; write the path that is meant.")


def _always_has_a_value(parameter: Parameter) -> bool:
    return bool(parameter.required) or parameter.default is not None or parameter.value_from is not None


def _is_expression(text: str) -> bool:
    # Imported here: most who compile never see such an expression.
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(text)
    except (JMESPathError, RecursionError):
        return False
    return True
