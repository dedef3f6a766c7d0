"""A report in the terminal: 80 columns, what is lost in red."""

import textwrap

from rich.console import Console
from rich.text import Text as Line

from ops.report_changes import SIGNS, differences
from ops.report_page import DANGER, GOOD, WARNING, Alert, Block, Changes, Drawing, Page, Table, Text
from ops.show import console, table

STYLES = {DANGER: "bold white on red", WARNING: "bold black on yellow", GOOD: "green"}
COLOURS = {"create": "green", "update": "yellow", "replace": "bold magenta", "delete": "bold red"}
WIDTH = 80


def show(page: Page) -> None:
    """Write it on stdout."""
    out = console()
    out.print(Line(page.title, style="bold"))
    out.print(Line(_wrapped(page.verdict, 0)))
    for section in page.sections:
        blocks = [
            one for one in section.blocks if not isinstance(one, Drawing)
        ]  # the changes below are a tree
        if blocks:
            out.print()
            out.print(Line(f"── {section.title} ".ljust(WIDTH - 1, "─"), style="bold"))
        for at, block in enumerate(blocks):
            if at and isinstance(block, Table):
                out.print()
            _block(out, block)
    for note in page.notes:
        out.print()
        out.print(Line(_wrapped(note, 0), style="dim"))


def _block(out: Console, block: Block) -> None:
    match block:
        case Alert(level, title, lines):
            mark = {DANGER: "!!! ", WARNING: "! ", GOOD: ""}[level]
            out.print(Line(_wrapped(f"{mark}{title}", 0), style=STYLES[level]))
            for line in lines:
                out.print(Line(_wrapped(line, 2, "- ")))
        case Text(text):
            out.print(Line(_wrapped(text, 0)))
        case Table(headings, rows, strong):
            made = table(*headings)
            for column in made.columns[1:]:
                column.justify, column.no_wrap = "right", True
            for at, row in enumerate(rows):
                made.add_row(*row, style="bold" if at in strong else None)
            out.print(made)
        case Changes(parts):
            for name, changes in parts:
                out.print(Line(name, style="bold"))
                for at, one in enumerate(changes):
                    last = at == len(changes) - 1
                    branch, below = ("└─", "  ") if last else ("├─", "│ ")
                    out.print(Line(f"{branch} {SIGNS[one.op]} {one.kind} {one.name}", style=COLOURS[one.op]))
                    for line in textwrap.wrap("; ".join(differences(one)), WIDTH - 8):
                        out.print(Line(f"{below}     {line}"))
        case Drawing():
            pass


def _wrapped(text: str, indent: int, bullet: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH - 1,
        initial_indent=" " * (indent - len(bullet)) + bullet,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
