"""How long a machine runs in a month: its schedules, its own stop when idle, and the hours in which somebody works.

A whole year is laid out and divided by 12, so that months of 28 and of 31 days, and of four and of five Mondays, count alike.
"""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache

from schedules import MONTHS, WEEKDAYS

YEAR = 2027
"""Any year would do; a fixed one gives the same dollars tomorrow."""
MONTH_HOURS = 730
"""Hours of a month as AWS's own calculator counts them."""
WORK_BEGINS = time(8)
"""When people begin; a day's work is taken to be in one piece, which for a machine with an idle stop is the least."""

Span = tuple[datetime, datetime]
START, END = datetime(YEAR, 1, 1), datetime(YEAR + 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """When a machine is started and stopped by itself: schedules (None: none), and minutes of idleness (0: never)."""

    start: str | None
    stop: str | None
    idle_minutes: int


def hours_a_month(clock: Clock, worked: Sequence[Span]) -> float:
    """Hours that the machine runs: it wakes for work, and from a schedule's start on until something stops it."""
    if clock.stop is None and clock.idle_minutes == 0:
        return MONTH_HOURS
    stops = moments(clock.stop) if clock.stop else []
    awake = [(begin, _stopped(end, clock, stops)) for begin, end in worked]
    awake += [
        (begin, _stopped(begin, clock, stops)) for begin in (moments(clock.start) if clock.start else [])
    ]
    return sum((end - begin).total_seconds() for begin, end in _joined(awake)) / 3600 / 12


def work(hours_a_day: float, days_a_month: int) -> list[Span]:
    """The year's working hours: in each month the first days from Monday to Friday, then Saturdays and Sundays."""
    if hours_a_day <= 0:
        return []
    found: list[Span] = []
    for month in range(1, 13):
        days = [date(YEAR, month, day + 1) for day in range(calendar.monthrange(YEAR, month)[1])]
        days.sort(key=lambda day: (max(day.weekday() - 4, 0), day))
        for day in sorted(days[:days_a_month]):
            begin = datetime.combine(day, WORK_BEGINS)
            found.append((begin, begin + timedelta(hours=hours_a_day)))
    return found


@cache
def moments(expression: str) -> list[datetime]:
    """Every time in the year that a schedule (`cron(…)`, checked by schedules.py) names."""
    minutes, hours, of_month, months, of_week, years = expression.strip()[5:-1].split()
    if YEAR not in _numbers(years, 1970, 2199):
        return []
    times = [time(h, m) for h in sorted(_numbers(hours, 0, 23)) for m in sorted(_numbers(minutes, 0, 59))]
    months_meant = _numbers(months, 1, 12, MONTHS)
    days = [START.date() + timedelta(days=n) for n in range((END - START).days)]
    meant = [d for d in days if d.month in months_meant and _of_month(d, of_month) and _of_week(d, of_week)]
    return [datetime.combine(day, at) for day in meant for at in times]


def calls_a_month(expression: str) -> float:
    """How often a schedule fires."""
    return len(moments(expression)) / 12


def _stopped(since: datetime, clock: Clock, stops: Sequence[datetime]) -> datetime:
    """When a machine without work since then is off: by itself, or by the next scheduled stop; else never this year."""
    by_itself = since + timedelta(minutes=clock.idle_minutes) if clock.idle_minutes else END
    return min([by_itself, *(one for one in stops if one > since)], default=END)


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _numbers(text: str, low: int, high: int, words: Sequence[str] = ()) -> set[int]:
    """The numbers that a field of a schedule names: `*`, `1,5`, `MON-FRI`, `0/15`."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = [_number(one, low, words) for one in span.split("-")] if span != "*" else [low, high]
        last = high if step and len(ends) == 1 else ends[-1]
        found |= set(range(ends[0], last + 1, int(step or 1)))
    return found


def _number(text: str, low: int, words: Sequence[str]) -> int:
    return int(text) if text.isdigit() else list(words).index(text.upper()) + low


def _of_month(day: date, field: str) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    match field:
        case "?":
            return True
        case "L":
            return day.day == last
        case "LW":
            return day.day == _weekday_near(day, last)
        case _ if field.endswith("W"):
            return day.day == _weekday_near(day, int(field[:-1]))
        case _:
            return day.day in _numbers(field, 1, 31)


def _weekday_near(day: date, wanted: int) -> int:
    """The day from Monday to Friday nearest to that day of the month, within the month."""
    last = calendar.monthrange(day.year, day.month)[1]
    for shift in (0, -1, 1, -2, 2):
        if 1 <= wanted + shift <= last and day.replace(day=wanted + shift).weekday() < 5:
            return wanted + shift
    return 0  # no such day: the 31st in a month of 30


def _of_week(day: date, field: str) -> bool:
    number = day.isoweekday() % 7 + 1  # Sunday is 1
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "?":
        return True
    if field == "L":
        return number == 7
    if field.endswith("L"):
        return number == _number(field[:-1], 1, WEEKDAYS) and day.day > last - 7
    if "#" in field:
        name, _, nth = field.partition("#")
        return number == _number(name, 1, WEEKDAYS) and (day.day - 1) // 7 + 1 == int(nth)
    return number in _numbers(field, 1, 7, WEEKDAYS)
