"""An answer ends where the client wants it to, also where providers cannot be asked for that."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.responses_wire import answers, events, function_call, lines, message
from runtime.support import played, stream
from smarter_runtime.events import Finish, Text, ToolCall, Usage
from smarter_runtime.models.stops import StopCutter


def shown(pieces: list[str], stops: list[str]) -> str:
    cutter = StopCutter(stops)
    made = [event for piece in pieces for event in cutter.events(Text(piece))] + [*cutter.events(Finish("stop"))]
    return "".join(event.delta for event in made if isinstance(event, Text))


@given(
    pieces=st.lists(st.text("ab.", max_size=4), max_size=12),
    stops=st.lists(st.text("ab.", min_size=1, max_size=4), max_size=3),
)
def test_it_does_not_matter_how_the_text_is_cut_into_pieces(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    assert shown(pieces, stops) == text[: min(ends)[1] if ends else len(text)]


def test_of_two_stops_the_one_that_is_whole_first_counts() -> None:
    assert shown(["a.b", "."], [".", "a.b."]) == shown(["a.b."], [".", "a.b."]) == "a"


def test_calls_beyond_the_end_are_not_made_and_usage_is_counted() -> None:
    cutter = StopCutter(["."])
    sent = (Text("Yes. No"), ToolCall("c", "x", "{}"), Usage(1, 2), Finish("tool_calls"))
    assert [made for event in sent for made in cutter.events(event)] == [Text("Yes"), Usage(1, 2), Finish("stop")]


def test_what_was_held_back_comes_before_a_call() -> None:
    cutter, call = StopCutter(["END"]), ToolCall("c", "x", "{}")
    sent = (Text("Let me see. E"), call)
    assert [made for event in sent for made in cutter.events(event)] == [Text("Let me see. "), Text("E"), call]


@pytest.mark.parametrize("stops", [["END"], "END", ["x", "END"]], ids=str)
async def test_the_answer_of_a_responses_server_ends_there(tmp_path: Path, stops: list[str] | str) -> None:
    said = lines(*events(message("One EN two END three")))
    reply = stream(*(said[at : at + 7] for at in range(0, len(said), 7)))
    async with played(tmp_path, reply, provider={"type": "OpenAI", "api": "Responses"}) as (bot, provider):
        response = await bot.chat("hi", stop=stops)
        choice = (await response.json())["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("One EN two ", "stop")
    assert "stop" not in provider.bodies[0]


async def test_a_server_that_ends_its_answer_with_a_call_is_not_called_back(tmp_path: Path) -> None:
    reply = answers(message("One END"), function_call("{}"))
    async with played(tmp_path, reply, provider={"type": "OpenAI", "api": "Responses"}) as (bot, provider):
        response = await bot.chat("hi", stop="END")
        assert (await response.json())["choices"][0]["message"]["content"] == "One "
    assert len(provider.bodies) == 1
