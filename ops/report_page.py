"""What a report consists of, whatever it is shown on: headings, alerts, tables, changes, a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ops.report_changes import Change

DANGER, WARNING, GOOD = "danger", "warning", "good"


@dataclass(frozen=True)
class Alert:
    """Something to be seen at once. `level`: danger, warning or good."""

    level: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first column is words, the others are numbers. `strong`: rows in bold."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Changes:
    """What happens, part by part of the stack."""

    parts: tuple[tuple[str, tuple[Change, ...]], ...]


@dataclass(frozen=True)
class Card:
    """A part of the stack in the drawing: how many resources stay as they are, and what happens to others."""

    name: str
    unchanged: int
    changes: tuple[tuple[str, str], ...]
    """Pairs of an operation and `ec2 instance` or `6 ec2 subnet`."""


@dataclass(frozen=True)
class Drawing:
    """The stack's parts; `lines`: pairs of names, the second of which depends on the first."""

    cards: tuple[Card, ...]
    lines: tuple[tuple[str, str], ...]


Block = Alert | Text | Table | Changes | Drawing


@dataclass(frozen=True)
class Section:
    """Blocks under a heading. `folded`: may be closed until somebody wants to read it."""

    title: str
    blocks: Sequence[Block]
    folded: bool = False


@dataclass(frozen=True)
class Page:
    """A report: the stack, what it comes to in a sentence, the sections in order of weight, and remarks."""

    stack: str
    title: str
    verdict: str
    sections: Sequence[Section]
    notes: Sequence[str] = field(default_factory=tuple[str, ...])
