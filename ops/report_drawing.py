"""The difference as a drawing: a card for each part of the stack, with what happens in it; what stays is pale."""

from html import escape

from ops.report_changes import SIGNS
from ops.report_page import Card, Drawing

COLUMNS, WIDTH, GAP = 3, 310, 14
LINE, HEAD, FOOT = 20, 50, 12
MOST = 12
"""Lines of a card; further ones are counted."""
FITS = 40
"""Characters that fit into a card."""


def svg(drawing: Drawing) -> str:
    """All cards, each put where there is most room."""
    heights = [0] * COLUMNS
    drawn = list[str]()
    for card in drawing.cards:
        at = heights.index(min(heights))
        drawn.append(_card(card, at * (WIDTH + GAP), heights[at]))
        heights[at] += _height(card) + GAP
    used = min(COLUMNS, len(drawing.cards))
    width, height = used * (WIDTH + GAP) - GAP, max(heights) - GAP
    return "\n".join(
        [
            f'<svg viewBox="-1 -1 {width + 2} {height + 2}" width="{width + 2}" role="img" aria-label="{escape(_told(drawing))}">',
            *drawn,
            "</svg>",
        ]
    )


def _told(drawing: Drawing) -> str:
    changed = [card.name for card in drawing.cards if card.changes]
    return f"Parts with changes: {', '.join(changed) or 'none'}"


def _lines(card: Card) -> list[tuple[str, str]]:
    lines = [(op, _short(f"{SIGNS[op]} {what}")) for op, what in card.changes[:MOST]]
    if len(card.changes) > MOST:
        lines.append(("still", f"… and {len(card.changes) - MOST} more"))
    return lines


def _short(text: str) -> str:
    return text if len(text) <= FITS else f"{text[: FITS - 1]}…"


def _height(card: Card) -> int:
    return (
        HEAD + LINE * len(card.changes[:MOST]) + LINE * (len(card.changes) > MOST) + FOOT * bool(card.changes)
    )


def _card(card: Card, x: int, y: int) -> str:
    worst = card.changes[0][0] if card.changes else "same"
    height = _height(card)
    still = f"{card.unchanged} unchanged"
    parts = [
        f'<g transform="translate({x} {y})"><rect class="box" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<rect class="bar {worst}" width="6" height="{height}" rx="3"/>',
        f'<text class="name{"" if card.changes else " still"}" x="18" y="22">{escape(card.name)}</text>',
        f'<text class="still" x="18" y="40">{still}</text>',
    ]
    for at, (op, line) in enumerate(_lines(card)):
        parts.append(f'<text class="{op}" x="18" y="{HEAD + LINE * at + 14}">{escape(line)}</text>')
    return "".join([*parts, "</g>"])
