"""Whose a watch event is that comes while its object is being written."""

from typing import Any

import pytest

from smarter_operator.cache import Change
from smarter_operator.kinds import CHATBOT, PLUGIN, SERVICE, Kind
from smarter_operator.own_writes import OwnWrites


def version(number: int, name: str = "support") -> dict[str, Any]:
    return {"metadata": {"namespace": "acme", "name": name, "resourceVersion": str(number)}}


def change(kind: Kind, number: int, name: str = "support") -> Change:
    return Change(kind, version(number - 1, name), version(number, name))


@pytest.fixture
def told() -> list[Change]:
    return []


@pytest.fixture
def own(told: list[Change]) -> OwnWrites:
    return OwnWrites(told.append)


def test_the_event_of_an_own_write_is_nobodys_news(own: OwnWrites, told: list[Change]) -> None:
    with own.writing(SERVICE, version(1)) as answered:
        assert own.holds(change(SERVICE, 2))
        assert answered(version(2)) == version(2)
    assert told == []


def test_what_others_changed_meanwhile_is_told_of_once_the_answer_is_there(own: OwnWrites, told: list[Change]) -> None:
    with own.writing(CHATBOT, version(1)) as answered:
        for number in (2, 3, 4):
            assert own.holds(change(CHATBOT, number))
        assert told == []
        answered(version(3))
    assert told == [change(CHATBOT, 2), change(CHATBOT, 4)]


def test_after_a_write_that_failed_all_is_told_of(own: OwnWrites, told: list[Change]) -> None:
    with pytest.raises(TimeoutError), own.writing(SERVICE, version(1)):
        assert own.holds(change(SERVICE, 2))
        raise TimeoutError
    assert told == [change(SERVICE, 2)]


def test_of_two_writes_at_once_the_last_answer_decides(own: OwnWrites, told: list[Change]) -> None:
    with own.writing(SERVICE, version(1)) as outer:
        with own.writing(SERVICE, version(1)) as inner:
            assert own.holds(change(SERVICE, 2))
            assert own.holds(change(SERVICE, 3))
            inner(version(3))
        assert told == []
        outer(version(2))
    assert told == []


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(change(SERVICE, 2, "another"), id="another-object"),
        pytest.param(change(CHATBOT, 2), id="another-kind"),
        pytest.param(Change(SERVICE, version(2), None), id="gone"),
    ],
)
def test_what_is_not_written_is_told_of_at_once(own: OwnWrites, other: Change) -> None:
    with own.writing(SERVICE, version(1)):
        assert not own.holds(other)
    assert not own.holds(change(SERVICE, 2))


def test_what_means_something_to_others_is_told_of_whoever_wrote_it(own: OwnWrites) -> None:
    with own.writing(PLUGIN, version(1)) as answered:
        assert not own.holds(change(PLUGIN, 2))
        answered(version(2))
