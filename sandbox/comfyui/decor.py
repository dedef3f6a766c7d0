"""What stands at the walls and hangs there. Each has its middle at `x`, and is `size` heights of the picture big;
what stands does so on the floor at `y`."""

from __future__ import annotations

from random import Random

from sandbox.comfyui.palette import Palette, mix, shade
from sandbox.comfyui.pen import Pen


def plant(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """In a pot, with eleven leaves."""
    pot = chance.choice((colours.accent, shade(colours.wall, 0.8), shade(colours.floor, 0.75)))
    top = y - 0.1 * size
    for number in range(11):
        angle = (number - 5) * 0.26 + chance.uniform(-0.08, 0.08)
        length = size * chance.uniform(0.17, 0.3) * (1 - 0.25 * abs(angle))
        tone = shade(colours.leaf, chance.uniform(0.75, 1.3))
        pen.leaf((x + (number - 5) * 0.004 * size, top), angle, length, 0.021 * size, tone)
    pen.shape(
        [(x - 0.055 * size, top), (x + 0.055 * size, top), (x + 0.04 * size, y), (x - 0.04 * size, y)], pot
    )
    pen.box(
        x - 0.06 * size,
        top - 0.008 * size,
        x + 0.06 * size,
        top + 0.014 * size,
        shade(pot, 1.12),
        0.005 * size,
    )


def floor_lamp(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Lit."""
    metal = shade(colours.wood, 0.6)
    top = y - 0.44 * size
    pen.oval(x - 0.045 * size, y - 0.014 * size, x + 0.045 * size, y + 0.006 * size, metal)
    pen.box(x - 0.004 * size, top, x + 0.004 * size, y - 0.004 * size, metal)
    pen.shape(
        [
            (x - 0.038 * size, top - 0.03 * size),
            (x + 0.038 * size, top - 0.03 * size),
            (x + 0.065 * size, top + 0.07 * size),
            (x - 0.065 * size, top + 0.07 * size),
        ],
        (252, 232, 190),
    )
    pen.box(x - 0.065 * size, top + 0.062 * size, x + 0.065 * size, top + 0.07 * size, (240, 208, 150))


def bookshelf(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Four shelves, none of them full."""
    wide, high = 0.11 * size, 0.42 * size
    pen.box(x - wide, y - high, x + wide, y, shade(colours.wood, 0.9), 0.004 * size)
    shelves = 4
    for shelf in range(shelves):
        top = y - high + 0.015 * size + shelf * (high - 0.02 * size) / shelves
        low = top + (high - 0.02 * size) / shelves - 0.012 * size
        pen.box(x - 0.9 * wide, top, x + 0.9 * wide, low, shade(colours.wood, 0.55))
        at = x - 0.87 * wide
        full = x + chance.uniform(0.1, 0.85) * wide
        while at < full:
            thick = chance.uniform(0.007, 0.016) * size
            tall = (low - top) * chance.uniform(0.6, 0.92)
            tone = chance.choice(
                (
                    colours.accent,
                    colours.textile,
                    colours.leaf,
                    shade(colours.wall, 0.9),
                    shade(colours.sky, 0.8),
                )
            )
            pen.box(at, low - tall, at + thick - 0.001, low, shade(tone, chance.uniform(0.75, 1.15)))
            at += thick


def fireplace(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Burning."""
    wide, high = 0.15 * size, 0.24 * size
    stone = shade(colours.wall, 0.86)
    pen.box(x - wide, y - high, x + wide, y, stone)
    pen.box(
        x - 1.12 * wide,
        y - high - 0.02 * size,
        x + 1.12 * wide,
        y - high + 0.008 * size,
        colours.wood,
        0.003 * size,
    )
    pen.box(x - 0.62 * wide, y - 0.72 * high, x + 0.62 * wide, y, (46, 38, 36), 0.01 * size)
    for number in range(7):
        root = (x + (number - 3) * 0.14 * wide, y - 0.01 * size)
        tone = chance.choice(((240, 140, 50), (248, 190, 80), (226, 96, 44)))
        pen.leaf(root, chance.uniform(-0.25, 0.25), high * chance.uniform(0.25, 0.5), 0.014 * size, tone)
    for log in (-0.25, 0.2):
        pen.box(
            x + (log - 0.25) * wide,
            y - 0.025 * size,
            x + (log + 0.25) * wide,
            y - 0.006 * size,
            shade(colours.wood, 0.6),
            0.008 * size,
        )


def pendant(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Hangs: its lower edge is at `y`."""
    pen.line([(x, 0), (x, y - 0.06 * size)], shade(colours.wood, 0.5), 0.004 * size)
    tone = chance.choice((colours.accent, shade(colours.wood, 0.7), (58, 60, 64)))
    pen.shape(
        [
            (x - 0.02 * size, y - 0.07 * size),
            (x + 0.02 * size, y - 0.07 * size),
            (x + 0.085 * size, y),
            (x - 0.085 * size, y),
        ],
        tone,
    )
    pen.oval(x - 0.085 * size, y - 0.012 * size, x + 0.085 * size, y + 0.012 * size, (255, 238, 196))


def art(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Hangs: its middle is at `y`."""
    wide, high = chance.uniform(0.05, 0.075) * size, chance.uniform(0.065, 0.095) * size
    pen.box(x - wide, y - high, x + wide, y + high, shade(colours.wood, 0.7))
    pen.box(
        x - wide + 0.007 * size,
        y - high + 0.007 * size,
        x + wide - 0.007 * size,
        y + high - 0.007 * size,
        (246, 242, 234),
    )
    inner_wide, inner_high = wide - 0.018 * size, high - 0.018 * size
    pen.box(
        x - inner_wide, y - inner_high, x + inner_wide, y + inner_high, mix(colours.sky, colours.wall, 0.4)
    )
    pen.shape(
        [
            (x - inner_wide, y + inner_high),
            (x - inner_wide, y + chance.uniform(-0.3, 0.5) * inner_high),
            (x + inner_wide, y + chance.uniform(-0.3, 0.6) * inner_high),
            (x + inner_wide, y + inner_high),
        ],
        chance.choice((colours.leaf, colours.accent, colours.textile)),
    )
    sun = chance.uniform(-0.5, 0.5) * inner_wide
    pen.oval(
        x + sun - 0.3 * inner_wide,
        y - 0.75 * inner_high,
        x + sun + 0.3 * inner_wide,
        y - 0.75 * inner_high + 0.6 * inner_wide,
        shade(colours.accent, 1.2),
    )
