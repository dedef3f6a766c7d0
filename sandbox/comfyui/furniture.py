"""Pieces of furniture. Each stands with its middle at `x` on the floor at `y`, and is `size` heights of the picture big."""

from __future__ import annotations

from random import Random

from sandbox.comfyui.palette import Colour, Palette, mix, shade
from sandbox.comfyui.pen import Pen


def sofa(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """For two or three, with cushions."""
    wide, high = 0.29 * size, 0.23 * size
    base = colours.textile
    for foot in (-0.85, 0.85):
        pen.box(
            x + wide * foot - 0.01 * size, y - 0.04 * size, x + wide * foot + 0.01 * size, y, colours.wood
        )
    pen.box(x - wide, y - high, x + wide, y - 0.05 * size, shade(base, 0.88), 0.035 * size)
    seats = chance.choice((2, 3))
    each = 1.72 * wide / seats
    for seat in range(seats):
        left = x - 0.86 * wide + seat * each
        pen.box(left + 0.004, y - 0.9 * high, left + each - 0.004, y - 0.4 * high, base, 0.025 * size)
        pen.box(
            left + 0.002, y - 0.5 * high, left + each - 0.002, y - 0.26 * high, shade(base, 1.12), 0.02 * size
        )
    pen.box(x - 0.9 * wide, y - 0.28 * high, x + 0.9 * wide, y - 0.16 * high, shade(base, 0.8), 0.012 * size)
    for side in (-1, 1):
        middle = x + side * 0.93 * wide
        pen.box(
            middle - 0.09 * wide,
            y - 0.68 * high,
            middle + 0.09 * wide,
            y - 0.14 * high,
            shade(base, 0.96),
            0.025 * size,
        )
    for side, tone in ((-0.62, colours.accent), (0.58, shade(colours.accent, 1.35))):
        _cushion(pen, x + side * wide, y - 0.48 * high, 0.075 * size, tone)


def _cushion(pen: Pen, x: float, y: float, size: float, colour: Colour) -> None:
    pen.box(x - size / 2, y - size * 0.9, x + size / 2, y, colour, size * 0.22)
    pen.line([(x - size * 0.32, y - size * 0.16), (x + size * 0.32, y - size * 0.16)], shade(colour, 0.85))


def bed(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """A double bed, made."""
    wide, high = 0.27 * size, 0.3 * size
    pen.box(x - wide, y - high, x + wide, y - 0.02 * size, colours.wood, 0.02 * size)
    pen.box(
        x - 0.94 * wide,
        y - 0.93 * high,
        x + 0.94 * wide,
        y - 0.3 * high,
        shade(colours.wood, 1.15),
        0.015 * size,
    )
    linen = mix(colours.wall, (255, 255, 255), 0.6)
    front = 1.16 * wide
    pen.shape(
        [
            (x - 0.96 * wide, y - 0.5 * high),
            (x + 0.96 * wide, y - 0.5 * high),
            (x + front, y + 0.09 * size),
            (x - front, y + 0.09 * size),
        ],
        linen,
    )
    pen.shape(
        [
            (x - 1.03 * wide, y - 0.24 * high),
            (x + 1.03 * wide, y - 0.24 * high),
            (x + front, y + 0.1 * size),
            (x - front, y + 0.1 * size),
        ],
        colours.textile,
    )
    pen.shape(
        [
            (x - 1.03 * wide, y - 0.24 * high),
            (x + 1.03 * wide, y - 0.24 * high),
            (x + 1.05 * wide, y - 0.1 * high),
            (x - 1.05 * wide, y - 0.1 * high),
        ],
        shade(colours.textile, 1.25),
    )
    pen.box(
        x - front, y + 0.095 * size, x + front, y + 0.12 * size, shade(colours.textile, 0.75), 0.008 * size
    )
    for side in (-0.5, 0.5):
        pen.box(
            x + (side - 0.36) * wide,
            y - 0.68 * high,
            x + (side + 0.36) * wide,
            y - 0.38 * high,
            shade(linen, 1.6),
            0.025 * size,
        )
    _cushion(pen, x, y - 0.36 * high, 0.09 * size, colours.accent)


def dining_table(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """A table with a chair at each end, and a vase."""
    wide, high = 0.25 * size, 0.17 * size
    for side in (-1, 1):
        _chair(pen, x + side * 1.08 * wide, y - 0.01 * size, size, side, colours)
    dark = shade(colours.wood, 0.78)
    for foot in (-0.8, 0.8):
        pen.shape(
            [
                (x + foot * wide - 0.014 * size, y - high),
                (x + foot * wide + 0.014 * size, y - high),
                (x + foot * 1.08 * wide + 0.007 * size, y + 0.02 * size),
                (x + foot * 1.08 * wide - 0.007 * size, y + 0.02 * size),
            ],
            dark,
        )
    pen.box(x - wide, y - high - 0.02 * size, x + wide, y - high + 0.008 * size, colours.wood, 0.01 * size)
    pen.box(
        x - wide,
        y - high - 0.02 * size,
        x + wide,
        y - high - 0.01 * size,
        shade(colours.wood, 1.25),
        0.005 * size,
    )
    _vase(pen, x + chance.uniform(-0.4, 0.4) * wide, y - high - 0.02 * size, 0.1 * size, colours, chance)


def _chair(pen: Pen, x: float, y: float, size: float, side: int, colours: Palette) -> None:
    high = 0.24 * size
    for foot in (-0.035, 0.035):
        pen.box(
            x + foot * size - 0.005 * size,
            y - 0.5 * high,
            x + foot * size + 0.005 * size,
            y,
            shade(colours.wood, 0.7),
        )
    pen.box(
        x - 0.045 * size, y - 0.52 * high, x + 0.045 * size, y - 0.44 * high, colours.textile, 0.01 * size
    )
    back = x + side * 0.038 * size
    pen.box(
        back - 0.009 * size,
        y - high,
        back + 0.009 * size,
        y - 0.48 * high,
        shade(colours.textile, 0.9),
        0.008 * size,
    )


def _vase(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    for _ in range(5):
        pen.leaf(
            (x, y - 0.4 * size),
            chance.uniform(-0.7, 0.7),
            size * chance.uniform(0.6, 1),
            size * 0.09,
            shade(colours.leaf, chance.uniform(0.85, 1.25)),
        )
    pen.box(x - 0.16 * size, y - 0.5 * size, x + 0.16 * size, y, colours.accent, 0.1 * size)


def desk(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """With drawers, a screen and a chair before it."""
    wide, high = 0.24 * size, 0.17 * size
    dark = shade(colours.wood, 0.75)
    pen.box(x - 0.95 * wide, y - high, x - 0.91 * wide, y, dark)
    pen.box(x + 0.4 * wide, y - high, x + 0.95 * wide, y - 0.01 * size, shade(colours.wood, 0.9))
    for drawer in range(3):
        top = y - high * (0.92 - 0.3 * drawer)
        pen.box(
            x + 0.44 * wide, top, x + 0.91 * wide, top + 0.24 * high, shade(colours.wood, 1.1), 0.004 * size
        )
        pen.oval(x + 0.65 * wide, top + 0.09 * high, x + 0.7 * wide, top + 0.16 * high, dark)
    pen.box(x - wide, y - high - 0.02 * size, x + wide, y - high, colours.wood, 0.006 * size)
    screen = y - high - 0.055 * size
    pen.box(x - 0.42 * wide, screen - 0.13 * size, x + 0.3 * wide, screen, (44, 48, 54), 0.006 * size)
    pen.box(
        x - 0.39 * wide,
        screen - 0.122 * size,
        x + 0.27 * wide,
        screen - 0.012 * size,
        mix(colours.sky, (40, 60, 90), 0.3),
    )
    pen.box(x - 0.09 * wide, screen, x - 0.03 * wide, y - high - 0.02 * size, (70, 74, 80))
    _vase(pen, x + 0.72 * wide, y - high - 0.02 * size, 0.09 * size, colours, chance)
    seat = x - 0.25 * wide
    pen.box(
        seat - 0.065 * size,
        y - 0.2 * size,
        seat + 0.065 * size,
        y - 0.08 * size,
        shade(colours.textile, 0.9),
        0.02 * size,
    )
    pen.box(
        seat - 0.075 * size,
        y - 0.085 * size,
        seat + 0.075 * size,
        y - 0.06 * size,
        colours.textile,
        0.012 * size,
    )
    pen.box(seat - 0.006 * size, y - 0.06 * size, seat + 0.006 * size, y + 0.01 * size, (70, 70, 74))
    pen.line(
        [
            (seat - 0.05 * size, y + 0.02 * size),
            (seat, y + 0.005 * size),
            (seat + 0.05 * size, y + 0.02 * size),
        ],
        (70, 70, 74),
        0.009 * size,
    )


def armchair(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """In a colour of its own."""
    base = mix(colours.accent, colours.textile, chance.uniform(0.1, 0.5))
    wide, high = 0.105 * size, 0.22 * size
    for foot in (-0.7, 0.7):
        pen.line(
            [(x + foot * wide, y - 0.05 * size), (x + foot * 1.12 * wide, y)], colours.wood, 0.012 * size
        )
    pen.box(x - 0.85 * wide, y - high, x + 0.85 * wide, y - 0.06 * size, shade(base, 0.88), 0.045 * size)
    pen.box(x - 0.7 * wide, y - 0.94 * high, x + 0.7 * wide, y - 0.42 * high, base, 0.04 * size)
    pen.box(x - 0.8 * wide, y - 0.48 * high, x + 0.8 * wide, y - 0.24 * high, shade(base, 1.14), 0.02 * size)
    for side in (-1, 1):
        middle = x + side * 0.88 * wide
        pen.box(
            middle - 0.2 * wide,
            y - 0.62 * high,
            middle + 0.2 * wide,
            y - 0.18 * high,
            shade(base, 0.97),
            0.022 * size,
        )


def coffee_table(pen: Pen, x: float, y: float, size: float, colours: Palette, chance: Random) -> None:
    """Round, with a book and a vase."""
    wide, high = 0.15 * size, 0.075 * size
    for foot in (-0.7, 0.7):
        pen.line(
            [(x + foot * 0.9 * wide, y - high), (x + foot * wide, y)], shade(colours.wood, 0.65), 0.01 * size
        )
    pen.oval(x - wide, y - high - 0.02 * size, x + wide, y - high + 0.045 * size, shade(colours.wood, 0.75))
    pen.oval(x - wide, y - high - 0.032 * size, x + wide, y - high + 0.03 * size, shade(colours.wood, 1.18))
    pen.box(
        x - 0.5 * wide,
        y - high - 0.022 * size,
        x - 0.05 * wide,
        y - high - 0.006 * size,
        colours.accent,
        0.002,
    )
    pen.box(
        x - 0.45 * wide,
        y - high - 0.034 * size,
        x - 0.1 * wide,
        y - high - 0.02 * size,
        mix(colours.sky, (255, 255, 255), 0.3),
        0.002,
    )
    _vase(pen, x + 0.4 * wide, y - high, 0.07 * size, colours, chance)
