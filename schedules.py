"""EventBridge Scheduler expressions, checked before AWS sees them.

Syntax: docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html, six fields
`cron(minutes hours day-of-month month day-of-week year)`; one of the two day fields must be `?`.
"""

import re

MONTHS = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day-of-month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day-of-week", 1, 7, WEEKDAYS),
    ("year", 1970, 2199, ()),
)


def fault_of(expression: str) -> str | None:
    """What is wrong with a schedule expression, in words; None when it is right."""
    match = re.fullmatch(r"cron\((.*)\)", expression.strip())
    if not match:
        return "is not of the form cron(minutes hours day-of-month month day-of-week year)"
    fields = match[1].split()
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} fields; cron() takes 6: minutes hours day-of-month month day-of-week year"
    if (fields[2] == "?") == (fields[4] == "?"):
        return "needs ? in exactly one of day-of-month and day-of-week"
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        days = name.startswith("day-of")
        if days and text == "?":
            continue
        for part in text.split(","):
            if not _is_part(part, low, high, words, name):
                return f"has {part!r} as {name}; allowed: {low} to {high}{', names' if words else ''}, *, lists, ranges, /steps"
    return None


def _is_part(part: str, low: int, high: int, words: tuple[str, ...], name: str) -> bool:
    if name == "day-of-month" and re.fullmatch(r"L|LW|([1-9]|[12]\d|3[01])W", part):
        return True
    if name == "day-of-week" and re.fullmatch(r"([1-7]|[A-Z]{3})?L|([1-7]|[A-Z]{3})#[1-5]", part):
        return True
    span, slash, step = part.partition("/")
    if slash and not (step.isdigit() and 1 <= int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [_number(end, words, low) for end in span.split("-")]
    numbers = [end for end in ends if end is not None]
    return (
        len(ends) == len(numbers) <= 2
        and all(low <= n <= high for n in numbers)
        and numbers == sorted(numbers)
    )


def _number(text: str, words: tuple[str, ...], low: int) -> int | None:
    if text.isdigit():
        return int(text)
    return words.index(text.upper()) + low if text.upper() in words else None
