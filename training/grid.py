"""Pictures side by side, with words over each and before each row."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

TILE = 288
"""Pixels of a picture's side in the grid."""
GAP, TOP, LEFT = 8, 28, 190
TEXT_SIZE, LETTERS_A_LINE = 15, 24
PAPER, INK = "white", (40, 40, 40)


@dataclass(frozen=True)
class Cell:
    """A picture and what it is."""

    picture: Image.Image
    label: str


def draw_grid(rows: list[list[Cell]], labels: list[str]) -> Image.Image:
    """labels: one for each row. Each picture with its own words over it, so that a part that is cut out still tells."""
    font = ImageFont.load_default(TEXT_SIZE)
    step = TILE + GAP
    sheet = Image.new("RGB", (LEFT + len(rows[0]) * step + GAP, len(rows) * (step + TOP) + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for down, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = GAP + down * (step + TOP)
        pen.multiline_text((GAP, top + TOP), "\n".join(textwrap.wrap(label, LETTERS_A_LINE)), INK, font)
        for across, cell in enumerate(row):
            left = LEFT + across * step
            pen.text((left, top + 4), cell.label, INK, font)
            sheet.paste(cell.picture.resize((TILE, TILE), Image.Resampling.LANCZOS), (left, top + TOP))
    return sheet
