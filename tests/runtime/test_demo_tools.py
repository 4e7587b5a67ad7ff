"""The demo model and tools with parameters: it fills them in with what the question says, or leaves the tool alone."""

import json
from typing import Any

import pytest

from smarter_runtime.events import ToolOffer
from smarter_runtime.models.demo_functions import told
from smarter_runtime.models.demo_tools import fitting_call


def offer(name: str, description: str, required: tuple[str, ...] = (), **properties: dict[str, Any]) -> ToolOffer:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ToolOffer(name, description, schema)


ORDER = offer("orders", "Looks up an order by its number.", ("order_id",), order_id={"type": "integer"})
PARCEL = offer("parcels", "Tracks a parcel.", ("code",), code={"type": "string"})
PRICES = offer(
    "prices",
    "Finds shoes by size and price.",
    ("size", "colour"),
    size={"type": "number"},
    colour={"type": "string", "enum": ["red", "blue"]},
    sale={"type": "boolean"},
)
HOURS = offer("opening-hours", "Tells when the shop is open.")
ALL = [ORDER, PARCEL, PRICES, HOURS]


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        pytest.param("Where is my order 1001?", "orders", {"order_id": 1001}, id="integer"),
        pytest.param("Track parcel XY-12345, please", "parcels", {"code": "XY-12345"}, id="code"),
        pytest.param('Track the parcel "blue box"', "parcels", {"code": "blue box"}, id="quoted"),
        pytest.param("Blue shoes of size 42.5?", "prices", {"size": 42.5, "colour": "blue"}, id="choice"),
        pytest.param("Track the parcel of 2026-03-14", "parcels", {"code": "2026-03-14"}, id="date"),
        pytest.param("When is the shop open?", "opening-hours", {}, id="nothing-to-fill-in"),
        pytest.param("Where is my order?", None, None, id="no-number"),
        pytest.param("Green shoes of size 42?", None, None, id="no-such-choice"),
        pytest.param("What is 1001?", None, None, id="no-word-in-common"),
    ],
)
def test_a_tool_is_called_with_what_the_question_says(
    question: str, tool: str | None, arguments: dict[str, Any] | None
) -> None:
    found = fitting_call(question, ALL)
    assert (found and (found[0], json.loads(found[1]))) == (tool and (tool, arguments))


def test_a_value_is_used_once() -> None:
    route = offer("route", "A route.", ("a", "b"), a={"type": "integer"}, b={"type": "integer"})
    assert fitting_call("a route from 1 to 2", [route]) == ("route", '{"a": 1, "b": 2}')
    assert fitting_call("a route from 1", [route]) is None


@pytest.mark.parametrize(
    ("result", "said"),
    [
        pytest.param('{"rows":[]}', "Nothing was found.", id="none"),
        pytest.param(
            '{"rows":[{"id":1001,"state":"shipped","shipped_at":null}]}', "id: 1001, state: shipped.", id="a-null"
        ),
        pytest.param(
            '{"rows":[{"name":"Größe","tags":["a"]},{"name":"b","tags":[]}],"note":"There are more."}',
            'name: Größe, tags: ["a"]; name: b, tags: [].', id="two",
        ),
        pytest.param(
            '{"rows":[{"n":1},{"n":2},{"n":3},{"n":4},{"n":5},{"n":6},{"n":7}]}',
            "n: 1; n: 2; n: 3; n: 4; n: 5; and 2 more.", id="many",
        ),
    ],
)  # fmt: skip
def test_rows_of_a_database_are_told_as_a_sentence(result: str, said: str) -> None:
    assert told(result) == said
