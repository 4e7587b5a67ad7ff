"""The parameters of a Plugin's tool: what their strings stand for, and which do not fit."""

from typing import Any

import pytest

from smarter_crds import ApiConnection, Plugin, SqlConnection
from smarter_crds.compile import Problem, References, check_content
from smarter_crds.compile.connected import find_connection
from smarter_crds.compile.parameters import changes_something, parameter_configs
from smarter_crds.compile.plugins import plugin_warnings
from smarter_crds.parameters import ParameterType
from smarter_crds.tool_config import ParameterConfig
from smarter_crds.typed_values import typed
from support.manifests import api_plugin, plugin
from support.samples import Manifest, minimal


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        pytest.param("String", "", "", id="empty-string"),
        pytest.param("String", "1", "1", id="string-of-digits"),
        pytest.param("Integer", "-17", -17, id="integer"),
        pytest.param("Integer", "9223372036854775807", 2**63 - 1, id="largest-integer"),
        pytest.param("Integer", "-9223372036854775807", 1 - 2**63, id="smallest-integer"),
        pytest.param("Number", "-1.5e2", -150.0, id="number"),
        pytest.param("Number", "3", 3, id="whole-number"),
        pytest.param("Boolean", "true", True, id="true"),
        pytest.param("Boolean", "false", False, id="false"),
        pytest.param("Array", '[1, {"a": null}]', [1, {"a": None}], id="array"),
        pytest.param("Object", "{}", {}, id="object"),
    ],
)
def test_a_string_stands_for_a_value_of_the_parameters_type(kind: ParameterType, text: str, value: object) -> None:
    found = typed(kind, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param("Integer", "1.0", id="point"),
        pytest.param("Integer", "\u0661", id="digit-of-another-script"),
        pytest.param("Integer", "1_000", id="underscore"),
        pytest.param("Integer", "9223372036854775808", id="too-large"),
        pytest.param("Integer", "-9223372036854775808", id="too-small"),
        pytest.param("Number", "NaN", id="not-a-number"),
        pytest.param("Number", "1e999", id="infinite"),
        pytest.param("Number", '"1"', id="string"),
        pytest.param("Number", "true", id="boolean-as-number"),
        pytest.param("Boolean", "True", id="capital"),
        pytest.param("Boolean", "1", id="one"),
        pytest.param("Array", "{}", id="object-as-array"),
        pytest.param("Array", "[" * 1000, id="deeper-than-the-stack"),
        pytest.param("Object", "{a: 1}", id="yaml"),
        pytest.param("Object", '{"a": Infinity}', id="infinity-inside"),
    ],
)
def test_what_is_no_value_of_the_type_is_said_in_one_noun(kind: ParameterType, text: str) -> None:
    with pytest.raises(ValueError, match=r"^(a|an|true) .*"):
        typed(kind, text)


def api(*parameters: Manifest, test_values: dict[str, str] | None = None, **changes: Any) -> Plugin:
    query = [{"name": each["name"], "value": f"{{{each['name']}}}"} for each in parameters]
    made = api_plugin("returns", **{"query": query, "parameters": list(parameters)} | changes)
    made["spec"]["testValues"] = [{"name": name, "value": value} for name, value in (test_values or {}).items()]
    return Plugin.model_validate(made)


def parameter(name: str = "n", kind: str = "Integer", **fields: Any) -> Manifest:
    return {"name": name, "type": kind, "description": "A number."} | fields


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(api(parameter(enum=["1", "2"], default="2")), "", id="sound"),
        pytest.param(
            api(parameter(default="two")),
            "`spec.api.parameters` has the default 'two' for `n`, which is of type `Integer`; write a whole number of "
            "64 bits.",
            id="default",
        ),
        pytest.param(
            api(parameter(enum=["1", "b"])),
            "`spec.api.parameters` allows 'b' for `n`, which is of type `Integer`; write a whole number of 64 bits.",
            id="enum",
        ),
        pytest.param(
            api(parameter(enum=["1"], default="2")),
            "`spec.api.parameters` has the default '2' for `n`, which is not in its `enum`; use one of those.",
            id="default-outside",
        ),
        pytest.param(
            api(parameter(), test_values={"n": "x"}),
            "`spec.testValues` has 'x' for `n`, which is of type `Integer`; write a whole number of 64 bits.",
            id="test-value",
        ),
        pytest.param(
            api(parameter(enum=["1"]), test_values={"n": "3"}),
            "`spec.testValues` has '3' for `n`, which is not in its `enum`; use one of those.",
            id="test-value-outside",
        ),
    ],
)
def test_values_must_be_of_their_parameters_type(made: Plugin, said: str) -> None:
    assert [problem.message for problem in check_content(made)] == ([said] if said else [])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(api(parameter(default="1")), "", id="sound"),
        pytest.param(api(parameter(default="1", required=True)), "its value is required", id="required"),
        pytest.param(
            api(parameter(default="1", valueFrom={"claim": "sub"})), "its value comes from a claim", id="claim"
        ),
        pytest.param(
            Plugin.model_validate(plugin(testValues=[{"name": "a", "value": "b"}])),
            "`spec.testValues` has no effect with type `Static`",
            id="static",
        ),
    ],
)
def test_what_is_said_of_parameters_in_vain_is_warned_of(made: Plugin, said: str) -> None:
    warnings = " ".join(plugin_warnings(made))
    assert said in warnings
    assert bool(warnings) == bool(said)


def test_parameters_reach_the_config_as_they_are_written() -> None:
    made = api(
        parameter("n", enum=["1", "2"], default="1"),
        {"name": "who", "type": "String", "required": True, "valueFrom": {"claim": "sub"}},
    )
    assert parameter_configs(made) == (
        ParameterConfig(name="n", type="Integer", description="A number.", enum=("1", "2"), default="1"),
        ParameterConfig(name="who", type="String", required=True, claim="sub"),
    )
    assert parameter_configs(Plugin.model_validate(plugin())) == ()


@pytest.mark.parametrize(
    ("method", "said", "expected"),
    [
        pytest.param("GET", None, False, id="get"),
        pytest.param("POST", None, True, id="post"),
        pytest.param("PUT", None, True, id="put"),
        pytest.param("PATCH", None, True, id="patch"),
        pytest.param("DELETE", None, True, id="delete"),
        pytest.param("POST", "None", False, id="a-search-by-post"),
        pytest.param("GET", "Write", True, id="a-get-that-writes"),
    ],
)
def test_a_method_that_writes_has_side_effects_unless_the_plugin_says_otherwise(
    method: str, said: str | None, expected: bool
) -> None:
    made = api(method=method)
    spec = made.spec.model_copy(update={"side_effects": said})
    assert changes_something(made.model_copy(update={"spec": spec})) is expected


SQL = {"connectionRef": {"name": "shop"}, "query": "select 1"}


@pytest.mark.parametrize(
    ("made", "references", "reason"),
    [
        pytest.param(Plugin.model_validate(plugin()), References(), None, id="static"),
        pytest.param(api(), References(), "ConnectionNotFound", id="no-api"),
        pytest.param(
            Plugin.model_validate(plugin(type="Sql", sql=SQL)), References(), "ConnectionNotFound", id="no-database"
        ),
        pytest.param(
            api(),
            References(api_connections={"erp": Problem("Invalid", "x")}),
            "ConnectionNotAccepted",
            id="unreadable",
        ),
    ],
)
def test_a_connection_that_cannot_be_used_is_named(made: Plugin, references: References, reason: str | None) -> None:
    found = find_connection(made, references, "acme")
    assert (found.reason if isinstance(found, Problem) else found) == reason


def test_a_connection_is_found_by_kind_and_name() -> None:
    database = SqlConnection.model_validate(minimal("SqlConnection"))
    interface = ApiConnection.model_validate(minimal("ApiConnection"))
    references = References(
        sql_connections={"shop": database, "erp": Problem("Invalid", "x")},
        api_connections={"erp": interface, "shop": Problem("Invalid", "x")},
    )
    assert find_connection(api(), references, "acme") is interface
    assert find_connection(Plugin.model_validate(plugin(type="Sql", sql=SQL)), references, "acme") is database


def test_a_connection_that_is_not_accepted_says_why() -> None:
    private = minimal("ApiConnection") | {"spec": {"baseUrl": "http://10.0.0.7"}}
    references = References(api_connections={"erp": ApiConnection.model_validate(private)})
    found = find_connection(api(), references, "acme")
    assert isinstance(found, Problem)
    assert found.message.startswith(
        "ApiConnection 'erp', named by Plugin 'returns', is not accepted: `spec.baseUrl` is 10.0.0.7, which is not"
    )
