"""The date calculator: what it computes, and what it tells the model about arguments that make no sense."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.tools import Toolbox
from smarter_runtime.tools.dates import after_business_days, business_days_between, date_calculator

LATE = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)


async def called(zone: str = "UTC", **arguments: Any) -> ToolResult:
    toolbox = Toolbox([date_calculator("date_calculator", lambda: LATE, zone)])
    return await toolbox.call(ToolCall("c", "date_calculator", json.dumps(arguments)), frozenset({"date_calculator"}))


async def told(**arguments: Any) -> Any:
    result = await called(**arguments)
    assert not result.is_error, result.content
    return json.loads(result.content)


@pytest.mark.parametrize(
    ("arguments", "day", "weekday"),
    [
        pytest.param({"operation": "add", "date": "2026-03-01", "days": 45}, "2026-04-15", "Wednesday", id="days"),
        pytest.param(
            {"operation": "add", "date": "2024-01-31", "months": 1}, "2024-02-29", "Thursday", id="leap-month"
        ),
        pytest.param({"operation": "add", "date": "2024-02-29", "years": 1}, "2025-02-28", "Friday", id="leap-year"),
        pytest.param({"operation": "subtract", "date": "2026-03-31", "months": 1}, "2026-02-28", "Saturday", id="back"),
        pytest.param(
            {"operation": "add", "date": "2026-03-01", "weeks": 2, "days": -1}, "2026-03-14", "Saturday", id="mixed"
        ),
        pytest.param(
            {"operation": "add", "date": "2026-03-13", "business_days": 1}, "2026-03-16", "Monday", id="over-weekend"
        ),
        pytest.param(
            {"operation": "subtract", "date": "2026-03-15", "business_days": 6},
            "2026-03-06",
            "Friday",
            id="business-back",
        ),
        pytest.param({"operation": "add", "days": 1}, "2026-03-15", "Sunday", id="from-today"),
        pytest.param({"operation": "weekday", "date": "1969-07-20"}, "1969-07-20", "Sunday", id="weekday"),
        pytest.param({"operation": "weekday"}, "2026-03-14", "Saturday", id="weekday-of-today"),
        pytest.param(
            {"operation": "add", "date": "2026-01-01", "days": 0}, "2026-01-01", "Thursday", id="nothing-added"
        ),
    ],
)
async def test_it_finds_the_day(arguments: dict[str, Any], day: str, weekday: str) -> None:
    assert await told(**arguments) == {"date": day, "weekday": weekday}


@pytest.mark.parametrize(
    ("zone", "day", "weekday"),
    [
        pytest.param("UTC", "2026-03-14", "Saturday", id="utc"),
        pytest.param("Asia/Tokyo", "2026-03-15", "Sunday", id="east"),
        pytest.param("America/Los_Angeles", "2026-03-14", "Saturday", id="west"),
    ],
)
async def test_today_is_the_bots(zone: str, day: str, weekday: str) -> None:
    assert await told(zone=zone, operation="today") == {"date": day, "weekday": weekday, "time_zone": zone}


async def test_a_difference_is_told_in_several_units() -> None:
    assert await told(operation="difference", date="2026-03-01", other_date="2026-04-15") == {
        "from": "2026-03-01",
        "to": "2026-04-15",
        "days": 45,
        "in_weeks": {"weeks": 6, "days": 3},
        "in_months": {"years": 0, "months": 1, "days": 14},
        "business_days": 33,
    }


async def test_a_difference_backwards_is_negative_throughout() -> None:
    result = await told(operation="difference", date="2026-04-15", other_date="2025-03-01")
    assert (result["from"], result["to"], result["days"]) == ("2026-04-15", "2025-03-01", -410)
    assert result["in_weeks"] == {"weeks": -58, "days": -4}
    assert result["in_months"] == {"years": -1, "months": -1, "days": -14}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param({}, "'operation' is missing", id="no-operation"),
        pytest.param({"operation": "divide"}, "'operation' must be one of ['add', ", id="unknown-operation"),
        pytest.param({"operation": "add"}, "'add' needs one or more of ['years', ", id="nothing-to-add"),
        pytest.param({"operation": "difference"}, "'difference' needs 'other_date'", id="no-second-date"),
        pytest.param({"operation": "today", "days": 1}, "'days' has no meaning for 'today'", id="today-and-a-span"),
        pytest.param({"operation": "today", "date": "2026-01-01"}, "'date' has no meaning", id="today-and-a-date"),
        pytest.param(
            {"operation": "weekday", "other_date": "2026-01-01"}, "'other_date' has no meaning", id="two-dates"
        ),
        pytest.param({"operation": "weekday", "date": "2026-02-30"}, "'date' must be a date that exists", id="no-day"),
        pytest.param({"operation": "weekday", "date": "14.3.2026"}, "as YYYY-MM-DD; '14.3.2026' is none", id="form"),
        pytest.param({"operation": "weekday", "date": "2026-03-14T10:00"}, "as YYYY-MM-DD", id="with-a-time"),
        pytest.param(
            {"operation": "weekday", "date": "\uff12\uff10\uff12\uff16-03-14"}, "as YYYY-MM-DD", id="wide-digits"
        ),
        pytest.param({"operation": "weekday", "date": "\ud800"}, "are no JSON", id="half-a-character"),
        pytest.param({"operation": "weekday", "date": 20260314}, "'date' must be a string", id="number"),
        pytest.param({"operation": "add", "days": "3"}, "'days' must be a whole number", id="text"),
        pytest.param({"operation": "add", "days": True}, "'days' must be a whole number", id="boolean"),
        pytest.param({"operation": "add", "days": 1.5}, "'days' must be a whole number", id="broken"),
        pytest.param({"operation": "add", "days": 10**12}, "'days' must be between -3700000 and", id="too-many"),
        pytest.param({"operation": "add", "years": 9000}, "The result is outside the years 1 to 9999", id="too-late"),
        pytest.param({"operation": "subtract", "days": 3_700_000}, "The result is outside", id="too-early"),
        pytest.param(
            {"operation": "subtract", "date": "0001-01-01", "business_days": 1}, "The result is outside", id="first-day"
        ),
        pytest.param({"operation": "add", "hours": 1}, "There is no parameter 'hours'", id="unknown-parameter"),
    ],
)
async def test_what_makes_no_sense_is_told_to_the_model(arguments: dict[str, Any], fault: str) -> None:
    result = await called(**arguments)
    assert result.is_error
    assert fault in result.content


DAYS = st.dates(date(1000, 1, 1), date(3000, 1, 1))


def counted(day: date, count: int) -> date:
    """Count business days one by one."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while day.weekday() >= 5:
            day += step
    return day


@given(DAYS, st.integers(-400, 400))
def test_business_days_are_those_that_one_counts(day: date, count: int) -> None:
    assert after_business_days(day, count) == counted(day, count)


@given(DAYS, st.integers(0, 1000))
def test_business_days_between_two_days_are_those_that_one_counts(day: date, length: int) -> None:
    later = [day + timedelta(days=number) for number in range(1, length + 1)]
    assert business_days_between(day, day + timedelta(days=length)) == sum(each.weekday() < 5 for each in later)


@given(
    st.dictionaries(
        st.sampled_from(["operation", "date", "other_date", "years", "months", "weeks", "days", "business_days"]),
        st.sampled_from(["add", "subtract", "difference", "weekday", "today", "2026-03-14", "0001-01-01", "9999-12-31"])
        | st.integers()
        | st.text(max_size=20),
    )
)
async def test_any_arguments_end_in_a_result(arguments: dict[str, Any]) -> None:
    result = await called(**arguments)
    assert result.is_error or "date" in result.content or "days" in result.content
