"""A report as the comment of a pull request: GitHub's Markdown, with a mark by which it is found again."""

from collections.abc import Iterator

from ops.report_changes import SIGNS, WORDS, differences
from ops.report_page import (
    DANGER,
    GOOD,
    WARNING,
    Alert,
    Block,
    Card,
    Changes,
    Drawing,
    Page,
    Section,
    Table,
    Text,
)

LIMIT = 32_000
"""GitHub takes 65,536 characters in a comment, in which dev and prod stand together. Bytes are never fewer."""
STEPS = (400, 120, 40, 15, 5)
"""How many of a list are shown, tried until the comment is short enough."""
SIGNAL = {DANGER: ("CAUTION", "🛑"), WARNING: ("WARNING", "⚠️"), GOOD: ("TIP", "✅")}
ESCAPED = {ord(char): f"&#{ord(char)};" for char in "\\`*_{}[]<>|@#~$"} | {ord("&"): "&amp;", ord("\n"): " "}
"""What would be Markdown, a mention or HTML: a value from a pull request is text, whatever it says."""
COLOURS = {"create": "#1a7f37", "update": "#9a6700", "replace": "#8250df", "delete": "#cf222e"}
MOST_CARDS, MOST_LINES = 30, 8


def marker(stack: str) -> str:
    """Hidden in the comment: which report it is."""
    return f"<!-- sd-app report: {stack} -->"


def render(page: Page) -> str:
    """The whole comment, never longer than GitHub takes."""
    for most in STEPS:
        text = _render(page, most)
        if len(text.encode()) <= LIMIT:
            return text
    cut = text.encode()[: LIMIT - 200].decode(errors="ignore").rpartition("\n")[0]  # pyright: ignore[reportPossiblyUnboundVariable]  # there are steps
    return f"{cut}\n\n**Cut here: the whole report is `make report STACK={escape(page.stack)}`.**\n"


def _render(page: Page, most: int) -> str:
    lines = [marker(page.stack), f"## {escape(page.title)}", "", escape(page.verdict), ""]
    for section in page.sections:
        lines += [*_section(section, most), ""]
    lines += [f"<sub>{escape(note)}</sub>\n" for note in page.notes]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.translate(ESCAPED).replace("://", "&#58;//")


def _section(section: Section, most: int) -> Iterator[str]:
    if section.folded:
        yield f"<details><summary><b>{escape(section.title)}</b></summary>\n"
    else:
        yield f"### {escape(section.title)}"
    for block in section.blocks:
        yield from _block(block, most)
        yield ""
    if section.folded:
        yield "</details>"


def _block(block: Block, most: int) -> Iterator[str]:
    match block:
        case Alert(level, title, lines):
            name, sign = SIGNAL[level]
            yield f"> [!{name}]"
            yield f"> {sign} **{escape(title)}**"
            yield from (f"> - {escape(line[:1000])}" for line in lines[:most])
            yield from _left_out(len(lines) - most, "> - ")
        case Text(text):
            yield escape(text)
        case Table(headings, rows, strong):
            yield _row(headings)
            yield f"| --- |{' ---: |' * (len(headings) - 1)}"
            # The last row is the sum.
            shown = rows if len(rows) <= most else (*rows[: most - 1], rows[-1])
            for at, row in enumerate(shown):
                bold = at in strong or (shown is not rows and at == len(shown) - 1)
                yield _row(
                    [f"**{escape(cell)}**" if bold and cell else escape(cell) for cell in row], raw=True
                )
            yield from _left_out(len(rows) - most, "\n")
        case Changes(parts):
            for name, changes in parts:
                yield f"\n**{escape(name)}**\n"
                yield "| | resource | what differs |\n| --- | --- | --- |"
                for one in changes[:most]:
                    what = "; ".join(differences(one))
                    cells = (
                        SIGNS[one.op],
                        f"{one.kind} {one.name}",
                        what if len(what) <= 300 else f"{what[:299]}…",
                    )
                    yield _row(cells)
                yield from _left_out(len(changes) - most, "\n")
        case Drawing():
            yield from _mermaid(block)


def _row(cells: list[str] | tuple[str, ...], *, raw: bool = False) -> str:
    return f"| {' | '.join(cells if raw else [escape(cell) for cell in cells])} |"


def _left_out(count: int, before: str) -> Iterator[str]:
    if count > 0:
        yield f"{before}… and {count} more"


def _mermaid(drawing: Drawing) -> Iterator[str]:
    """A box a part, of the colour of its worst change; what stays is no news, and left out.

    Words for signs: Mermaid takes `- x` for a list, and draws none.
    """
    changed = [card for card in drawing.cards if card.changes][:MOST_CARDS]
    ids = {card.name: f"c{at}" for at, card in enumerate(changed)}
    yield "```mermaid"
    yield "flowchart LR"
    for card in changed:
        text = "<br>".join(_box(card))
        yield f'  {ids[card.name]}["{text}"]:::{card.changes[0][0]}'
    for first, second in drawing.lines:
        if first in ids and second in ids:
            yield f"  {ids[first]} --> {ids[second]}"
    for op, colour in COLOURS.items():
        yield f"  classDef {op} stroke:{colour},stroke-width:3px,text-align:left"
    yield "```"


def _box(card: Card) -> Iterator[str]:
    yield f"<b>{_label(card.name)}</b>"
    yield from (f"{WORDS[op]}: {_label(what)}" for op, what in card.changes[:MOST_LINES])
    if len(card.changes) > MOST_LINES:
        yield f"and {len(card.changes) - MOST_LINES} more"


def _label(text: str) -> str:
    return "".join(char if char.isalnum() or char in " -./" else "·" for char in text)
