"""The tool `date_calculator`: what a model gets wrong about calendars."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from smarter_runtime.events import ToolOffer
from smarter_runtime.tools import Arguments, Tool, ToolFailed, arguments

WORKDAYS = 5
WEEK = 7
_SPANS = {"years": 9998, "months": 120_000, "weeks": 530_000, "days": 3_700_000, "business_days": 2_600_000}
_SCHEMA = arguments.parameters(
    {
        "operation": {
            "type": "string",
            "enum": ["add", "subtract", "difference", "weekday", "today"],
            "description": "add or subtract a span of time, the difference between date and other_date, the weekday of "
            "a date, or today's date.",
        },
        "date": {"type": "string", "description": "A date as YYYY-MM-DD. Default: today."},
        "other_date": {"type": "string", "description": "For difference: the second date, as YYYY-MM-DD."},
        **{
            name: {
                "type": "integer",
                "minimum": -most,
                "maximum": most,
                "description": f"For add and subtract: {name.replace('_', ' ')}"
                + (" (Monday to Friday)." if name == "business_days" else "."),
            }
            for name, most in _SPANS.items()
        },
    },
    required=("operation",),
)


def date_calculator(name: str, clock: Callable[[], datetime], time_zone: str) -> Tool:
    zone = ZoneInfo(time_zone)
    description = (
        "Computes with dates of the calendar: adds and subtracts years, months, weeks, days and business days; tells "
        "the time between two dates, the weekday of a date, and today's date."
    )

    async def run(given: Arguments) -> str:
        return json.dumps(_result(given, clock().astimezone(zone).date(), time_zone))

    return Tool(
        offer=ToolOffer(name, description, _SCHEMA),
        check=lambda given: arguments.check(given, _SCHEMA),
        run=run,
        max_characters=1000,
    )


def _result(given: Arguments, today: date, time_zone: str) -> dict[str, Any]:
    operation = given["operation"]
    day = _date("date", given["date"]) if "date" in given else today
    _check_fitting(operation, given)
    match operation:
        case "today":
            return _told(today) | {"time_zone": time_zone}
        case "weekday":
            return _told(day)
        case "difference":
            return difference(day, _date("other_date", given["other_date"]))
    return _told(_moved(day, given, 1 if operation == "add" else -1))


def _check_fitting(operation: str, given: Arguments) -> None:
    """Refuse what the operation would not heed: the model meant something by it."""
    moves = operation in ("add", "subtract")
    spans = [name for name in _SPANS if name in given]
    if moves and not spans:
        raise ToolFailed(f"{operation!r} needs one or more of {list(_SPANS)}.")
    if operation == "difference" and "other_date" not in given:
        raise ToolFailed("'difference' needs 'other_date', as YYYY-MM-DD.")
    for name, is_heeded in (
        *((span, moves) for span in spans),
        ("other_date", operation == "difference"),
        ("date", operation != "today"),
    ):
        if name in given and not is_heeded:
            raise ToolFailed(f"{name!r} has no meaning for {operation!r}; leave it out.")


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ToolFailed(f"{name!r} must be a date that exists, as YYYY-MM-DD; {text[:30]!r} is none.") from None


def _moved(day: date, given: Arguments, sign: int) -> date:
    spans = {name: sign * given.get(name, 0) for name in _SPANS}
    business_days = spans.pop("business_days")
    try:
        # Years and months first, the day cut to the month's last: the order of dateutil, and of people.
        return after_business_days(day + relativedelta(**spans), business_days)
    except (ValueError, OverflowError):
        raise ToolFailed(f"The result is outside the years {date.min.year} to {date.max.year}.") from None


def _told(day: date) -> dict[str, Any]:
    return {"date": day.isoformat(), "weekday": f"{day:%A}"}


def difference(first: date, second: date) -> dict[str, Any]:
    """Return the time from `first` to `second` in several units; all are negative when `second` is earlier."""
    sign = -1 if second < first else 1
    early, late = sorted((first, second))
    days, span = (late - early).days, relativedelta(late, early)
    return {
        "from": first.isoformat(),
        "to": second.isoformat(),
        "days": sign * days,
        "in_weeks": {"weeks": sign * (days // WEEK), "days": sign * (days % WEEK)},
        "in_months": {"years": sign * span.years, "months": sign * span.months, "days": sign * span.days},
        "business_days": sign * business_days_between(early, late),
    }


def after_business_days(day: date, count: int) -> date:
    """Return the `count`-th day from Monday to Friday after `day`, before it if `count` is negative."""
    step = timedelta(days=1 if count > 0 else -1)
    weeks, rest = divmod(abs(count), WORKDAYS)
    # From a weekend, the count begins where the working week left off.
    while count and day.weekday() >= WORKDAYS:
        day -= step
    day += weeks * WEEK * step
    while rest:
        day += step
        rest -= day.weekday() < WORKDAYS
    return day


def business_days_between(early: date, late: date) -> int:
    """Return how many days from Monday to Friday come after `early`, up to and with `late`."""
    weeks, rest = divmod((late - early).days, WEEK)
    return weeks * WORKDAYS + sum((early.weekday() + each) % WEEK < WORKDAYS for each in range(1, rest + 1))
