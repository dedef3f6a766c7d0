"""How results are shown: tables and progress for people, JSON for programs; sizes and ages in words."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table


def console(*, errors: bool = False) -> Console:
    """Where people read; made anew, so that it writes to today's stdout or stderr. No markup: names may hold `[`."""
    return Console(stderr=errors, markup=False, highlight=False, emoji=False)


def table(*headings: str) -> Table:
    """An empty table without lines of its own: every character of 80 columns is needed."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def progress() -> Progress:
    """Bars on stderr, so that stdout stays for results; nothing but the end where nobody watches."""
    return Progress(
        # The name gives way where the line is full; it may not wrap.
        TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
        ),
        BarColumn(bar_width=12),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=console(errors=True),
        transient=True,
    )


def as_json(value: Any) -> None:
    """The result as JSON on stdout; times in ISO 8601."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    raise TypeError(f"{type(value).__name__} is no JSON")


def size(count: int) -> str:
    """Bytes in words, in powers of ten as disks and S3's bill have them: `2.1 GB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def age(since: datetime | None, now: datetime | None = None) -> str:
    """Time since then in its largest unit: `3 d`; empty when unknown."""
    if since is None:
        return ""
    return span((now or datetime.now(UTC)) - since)


def span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(0, int(length.total_seconds()))
    for unit, unit_seconds in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds} {unit}"
    return f"{seconds} s"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def lines(texts: Sequence[str], indent: str = "  ") -> str:
    """A list, a line each."""
    return "\n".join(f"{indent}{text}" for text in texts)
