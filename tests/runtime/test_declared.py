"""The declared parameters of a tool: what the model is shown, which calls are refused, what completes a call."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.support import NOW, config, plugin
from smarter_crds.tool_config import ParameterConfig, ParameterTypeName
from smarter_runtime.bot import ConfigRefused, prepared
from smarter_runtime.events import Message, ToolCall, ToolOffer
from smarter_runtime.plan import Wishes, plan
from smarter_runtime.tools import Arguments, Claims, Tool, Toolbox, ToolFailed
from smarter_runtime.tools.connectors import Connectors
from smarter_runtime.tools.declared import Declared
from smarter_runtime.tools.functions import Platform


def parameter(name: str, kind: ParameterTypeName = "String", **fields: Any) -> ParameterConfig:
    return ParameterConfig(name=name, type=kind, description=f"The {name}.", **fields)


ORDER = Declared(
    (
        parameter("order_id", "Integer", required=True),
        parameter("language", enum=("en", "es"), default="en"),
        parameter("price", "Number"),
        parameter("paid", "Boolean"),
        parameter("tags", "Array"),
        parameter("filter", "Object"),
        parameter("flags", "Integer", enum=("1", "0", "1")),
        parameter("customer", claim="sub"),
    )
)
SOMEBODY = {"sub": "ada"}


def test_the_model_sees_every_parameter_but_those_of_claims() -> None:
    assert ORDER.schema == {
        "type": "object",
        "properties": {
            "order_id": {"type": "integer", "description": "The order_id."},
            "language": {"type": "string", "description": "The language.", "enum": ["en", "es"], "default": "en"},
            "price": {"type": "number", "description": "The price."},
            "paid": {"type": "boolean", "description": "The paid."},
            "tags": {"type": "array", "description": "The tags.", "items": {}},
            "filter": {"type": "object", "description": "The filter."},
            "flags": {"type": "integer", "description": "The flags.", "enum": [1, 0]},
        },
        "required": ["order_id"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        pytest.param({}, "'order_id' is missing: The order_id.", id="missing"),
        pytest.param({"order_id": None}, "'order_id' is missing: The order_id.", id="null"),
        pytest.param({"order_id": "1"}, "'order_id' must be a whole number of 64 bits.", id="string"),
        pytest.param({"order_id": 1.5}, "'order_id' must be a whole number of 64 bits.", id="fraction"),
        pytest.param({"order_id": 1e30}, "'order_id' must be a whole number of 64 bits.", id="too-large"),
        pytest.param({"order_id": True}, "'order_id' must be a whole number of 64 bits.", id="true"),
        pytest.param({"order_id": 1, "language": "de"}, "'language' must be one of ['en', 'es'].", id="enum"),
        pytest.param(
            {"order_id": 1, "flags": False}, "'flags' must be a whole number of 64 bits.", id="false-is-not-0"
        ),
        pytest.param({"order_id": 1, "price": "1"}, "'price' must be a number.", id="number"),
        pytest.param({"order_id": 1, "paid": 1}, "'paid' must be true or false.", id="boolean"),
        pytest.param({"order_id": 1, "tags": {}}, "'tags' must be a list.", id="list"),
        pytest.param({"order_id": 1, "filter": []}, "'filter' must be an object.", id="object"),
        pytest.param({"customer": "eve"}, "There is no parameter 'customer'; there are ['filter', ", id="claim"),
        pytest.param({"order_id": 1, "x" * 999: 1}, f"There is no parameter '{'x' * 64}'", id="unknown"),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(given_: Arguments, said: str) -> None:
    with pytest.raises(ToolFailed) as error:
        ORDER.check(given_)
    assert str(error.value).startswith(said)
    assert len(str(error.value)) <= 500


def test_a_call_is_completed_by_defaults_and_claims() -> None:
    arguments = {"order_id": 7.0, "price": 1, "language": None}
    ORDER.check(arguments)
    completed = ORDER.completed(arguments, SOMEBODY)
    assert completed == {
        "order_id": 7,
        "language": "en",
        "price": 1,
        "paid": None,
        "tags": None,
        "filter": None,
        "flags": None,
        "customer": "ada",
    }
    assert type(completed["order_id"]) is int


@pytest.mark.parametrize(
    ("kind", "claims", "value"),
    [
        pytest.param("String", {"c": "ada"}, "ada", id="string"),
        pytest.param("Integer", {"c": 7}, 7, id="integer"),
        pytest.param("Integer", {"c": "7"}, 7, id="integer-as-string"),
        pytest.param("Array", {"c": ["a"]}, ["a"], id="array"),
        pytest.param("Boolean", {"c": False}, False, id="false-is-a-value"),
        pytest.param("String", {}, None, id="missing"),
        pytest.param("String", {"c": None}, None, id="null"),
        pytest.param("String", {"c": 7}, None, id="another-type"),
        pytest.param("Integer", {"c": "seven"}, None, id="unreadable"),
    ],
)
def test_a_claim_gives_a_value_of_the_type_or_the_tool_is_not_offered(
    kind: ParameterTypeName, claims: Claims, value: Any
) -> None:
    declared = Declared((parameter("p", kind, claim="c"),))
    assert declared.is_for(claims) is (value is not None)
    if value is None:
        with pytest.raises(ToolFailed, match="Nobody who may use this is signed in"):
            declared.completed({}, claims)
    else:
        assert declared.completed({}, claims) == {"p": value}


def test_a_claim_outside_the_enum_opens_nothing() -> None:
    declared = Declared((parameter("role", claim="role", enum=("buyer",)),))
    assert [declared.is_for({"role": role}) for role in ("buyer", "admin")] == [True, False]


def test_a_default_that_is_not_of_its_type_is_no_config() -> None:
    with pytest.raises(ValueError, match="a whole number"):
        Declared((parameter("n", "Integer", default="x"),))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*ORDER.schema["properties"], "customer", "else"]), JSON_VALUES))
def test_whatever_passes_the_check_is_completed_and_never_overrides_a_claim(arguments: dict[str, Any]) -> None:
    try:
        ORDER.check(arguments)
    except ToolFailed:
        return
    completed = ORDER.completed(arguments, SOMEBODY)
    assert completed["customer"] == "ada"
    assert set(completed) == {*ORDER.schema["properties"], "customer"}


class Echo:
    """A connector whose tools tell what they were given."""

    def __init__(self) -> None:
        self.declared = Declared((parameter("order_id", "Integer"), parameter("customer", claim="sub")))

    def tool(self, plugin: Any, config: Any) -> Tool:
        async def run(arguments: Arguments) -> str:
            return json.dumps(dict(arguments))

        return Tool(
            offer=ToolOffer(plugin.name, plugin.description, self.declared.schema),
            check=self.declared.check,
            run=run,
            max_characters=1000,
            is_for=self.declared.is_for,
            completed=self.declared.completed,
        )

    def problems(self, config: Any) -> tuple[Any, ...]:
        return ()

    async def warm(self, config: Any) -> None: ...

    async def close(self) -> None: ...


ORDERS = plugin("orders").model_copy(update={"type": "Api", "static": None})


@pytest.mark.parametrize(
    ("claims", "offered"), [({}, {"returns-policy"}), (SOMEBODY, {"orders", "returns-policy"})], ids=["nobody", "ada"]
)
def test_a_tool_that_needs_a_claim_is_offered_to_those_who_have_it(claims: Claims, offered: set[str]) -> None:
    platform = Platform(connectors=Connectors({"Api": Echo}))
    bot = prepared(config(plugins=(plugin(), ORDERS)), "hash", NOW, platform)
    made = plan(bot, [Message("user", "hello")], Wishes(claims=claims), 1000, NOW)
    assert made.offered == offered
    assert made.selected == ("returns-policy", "orders")


async def test_the_tool_gets_the_claim_and_not_what_the_model_says() -> None:
    box = Toolbox([Echo().tool(ORDERS, None)])
    names = frozenset({"orders"})
    result = await box.call(ToolCall("1", "orders", '{"order_id": 7}'), names, SOMEBODY)
    forged = await box.call(ToolCall("2", "orders", '{"order_id": 7, "customer": "eve"}'), names, SOMEBODY)
    assert json.loads(result.content) == {"order_id": 7, "customer": "ada"}
    assert forged.content == "There is no parameter 'customer'; there are ['order_id']."


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '"\\ud800"', "[" * 2000])
async def test_arguments_that_no_json_library_agrees_on_are_refused(text: str) -> None:
    box = Toolbox([Echo().tool(ORDERS, None)])
    result = await box.call(ToolCall("1", "orders", text), frozenset({"orders"}), SOMEBODY)
    assert result.content == "The arguments are no JSON; send one JSON object."


def test_a_type_of_plugin_that_nobody_serves_refuses_the_config() -> None:
    with pytest.raises(ConfigRefused, match="Plugin 'orders' is of type 'Api', which this runtime does not serve"):
        prepared(config(plugins=(ORDERS,)), "hash", NOW)
