"""An empty room in one-point perspective, and what is put into it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageFilter

from sandbox.comfyui import decor, furniture
from sandbox.comfyui.palette import Colour, Palette, mix, shade
from sandbox.comfyui.pen import Pen, Point

_PIECES: dict[str, tuple[str, ...]] = {
    "bed": ("bed", "bedroom"),
    "desk": ("desk", "office", "study", "workspace"),
    "dining_table": ("dining", "kitchen", "table"),
    "bookshelf": ("books", "bookshelf", "library", "shelf", "shelves"),
    "fireplace": ("fireplace", "fire", "chimney"),
    "armchair": ("armchair", "chair", "reading"),
    "plant": ("plant", "plants", "green", "garden", "tropical"),
    "floor_lamp": ("lamp", "light", "lighting"),
}
"""Words of a text that ask for a piece; in the negative text, they keep it away."""

_MAIN = ("bed", "desk", "dining_table")
"""What stands in the middle; a sofa, if nothing else is asked for."""

_LIGHT_SIDE = 96
"""Pixels across, in which light and shadow are drawn before they are made soft."""

_COARSE = 256
"""A canvas of fewer pixels' height has fewer boards: they would not be seen."""

_NO_LIGHT = 128
_DAY = 300
"""A sky whose colour adds up to more is a day's."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Where the back wall is, in heights of the picture."""

    left: float
    right: float
    top: float
    bottom: float
    window_is_left: bool
    is_tiled: bool

    @property
    def vanishing(self) -> Point:
        return (self.left + self.right) / 2, self.top + (self.bottom - self.top) * 0.45

    @property
    def size(self) -> float:
        """How big furniture is at the back wall."""
        return min(1.1, (self.right - self.left) / 0.62)


def shape(width: float, chance: Random, *, is_tiled: bool) -> Shape:
    """A room for a picture of this width in heights."""
    return Shape(
        left=width * chance.uniform(0.13, 0.24),
        right=width * (1 - chance.uniform(0.13, 0.24)),
        top=chance.uniform(0.1, 0.17),
        bottom=chance.uniform(0.62, 0.68),
        window_is_left=chance.random() < 0.5,
        is_tiled=is_tiled,
    )


def paint_walls(pen: Pen, room: Shape, colours: Palette, chance: Random) -> None:
    """Ceiling, walls and floor; `chance` gives the floor its grain."""
    left, right, top, bottom, width = room.left, room.right, room.top, room.bottom, pen.width
    bright, dark = (1.06, 0.88) if room.window_is_left else (0.88, 1.06)
    pen.shape(
        [(0, 0), (width, 0), (right, top), (left, top)], shade(mix(colours.wall, (255, 255, 255), 0.45), 1)
    )
    pen.shape([(0, 0), (left, top), (left, bottom), (0, 1)], shade(colours.wall, dark))
    pen.shape([(width, 0), (right, top), (right, bottom), (width, 1)], shade(colours.wall, bright))
    pen.box(left, top, right, bottom, colours.wall)
    _paint_floor(pen, room, colours, chance)
    skirting = mix(colours.wall, (255, 255, 255), 0.6)
    pen.box(left, bottom - 0.014, right, bottom, skirting)
    for near, far in ((0.0, left), (width, right)):
        pen.shape([(near, 0.955), (far, bottom - 0.014), (far, bottom), (near, 1)], shade(skirting, 0.93))
    for near, far in ((0.0, left), (width, right)):
        pen.line([(near, 0), (far, top), (far, bottom)], shade(colours.wall, 0.82), 0.003)
    pen.line([(left, top), (right, top)], shade(colours.wall, 0.86), 0.003)


def _paint_floor(pen: Pen, room: Shape, colours: Palette, chance: Random) -> None:
    left, right, bottom, width = room.left, room.right, room.bottom, pen.width
    pen.shape([(0, 1), (left, bottom), (right, bottom), (width, 1)], colours.floor)
    planks, rows = (10, 6) if room.is_tiled else (16, 4)
    if pen.canvas.height < _COARSE:
        planks, rows = 8, 2

    def at(across: float, deep: float) -> Point:
        share = deep * deep * 0.55 + deep * 0.45  # rows farther away look narrower
        x0, x1 = left * (1 - share), right + (width - right) * share
        return x0 + (x1 - x0) * across, bottom + (1 - bottom) * share

    for plank in range(planks):
        shift = 0 if room.is_tiled else chance.random() / rows
        ends = [0.0, *((row + 1) / rows - shift for row in range(rows)), 1.0]
        for row, (start, end) in enumerate(pairwise(ends)):
            light = (1.14 if (plank + row) % 2 else 0.86) if room.is_tiled else 1
            tone = shade(colours.floor, light * chance.uniform(0.94, 1.04))
            a, b = plank / planks, (plank + 1) / planks - 0.003
            pen.shape(
                [at(a, start), at(b, start), at(b, max(start, end - 0.008)), at(a, max(start, end - 0.008))],
                tone,
            )


def paint_window(
    pen: Pen, room: Shape, colours: Palette, chance: Random, *, is_arched: bool
) -> tuple[float, float]:
    """A window in the back wall; its left and right edge."""
    span = room.right - room.left
    wide, high = span * chance.uniform(0.3, 0.38), (room.bottom - room.top) * 0.56
    middle = room.left + span * (0.26 if room.window_is_left else 0.74)
    x0, x1, y0 = middle - wide / 2, middle + wide / 2, room.top + (room.bottom - room.top) * 0.13
    y1 = y0 + high
    if is_arched:
        y0 = min(max(y0, room.top + 0.02 + wide / 2), y1 - 0.1)  # the arch stays beneath the ceiling
        high = y1 - y0
    frame = mix(colours.wall, (255, 255, 255), 0.75)
    if is_arched:
        pen.oval(x0 - 0.012, y0 - wide / 2 - 0.012, x1 + 0.012, y0 + wide / 2, frame)
        pen.oval(x0, y0 - wide / 2, x1, y0 + wide / 2 - 0.012, mix(colours.sky, (255, 255, 255), 0.1))
    pen.box(x0 - 0.012, y0 - (0 if is_arched else 0.012), x1 + 0.012, y1 + 0.012, frame)
    for band in range(8):
        pen.box(
            x0,
            y0 + high * band / 8,
            x1,
            y0 + high * (band + 1) / 8,
            mix(colours.sky, (255, 255, 255), 0.1 + band * 0.07),
        )
    hill = mix(colours.leaf, colours.sky, 0.35)
    for number in range(3):
        start = y1 - high * (0.34 - number * 0.1)
        points = [(x0 + wide * step / 5, start - high * chance.uniform(0, 0.1)) for step in range(6)]
        pen.shape([(x0, y1), *points, (x1, y1)], shade(hill, 1.1 - number * 0.14))
    for post in (1 / 3, 2 / 3):
        pen.box(x0 + wide * post - 0.003, y0, x0 + wide * post + 0.003, y1, frame)
    pen.box(x0, y0 + high * 0.42, x1, y0 + high * 0.42 + 0.006, frame)
    pen.box(x0 - 0.022, y1 + 0.012, x1 + 0.022, y1 + 0.026, shade(frame, 0.93))
    if not is_arched:
        _paint_curtains(pen, room, colours, (x0, x1, y0, y1))
    return x0, x1


def _paint_curtains(
    pen: Pen, room: Shape, colours: Palette, place: tuple[float, float, float, float]
) -> None:
    x0, x1, y0, y1 = place
    cloth = mix(colours.textile, (255, 255, 255), 0.55)
    pen.box(x0 - 0.05, y0 - 0.034, x1 + 0.05, y0 - 0.026, shade(colours.wood, 0.7), 0.004)
    low = min(y1 + 0.09, room.bottom - 0.02)
    for side, edge in ((-1, x0), (1, x1)):
        for fold in range(4):
            a = edge + side * (0.045 - fold * 0.018)
            pen.box(
                min(a, a - side * 0.018),
                y0 - 0.028,
                max(a, a - side * 0.018),
                low,
                shade(cloth, 1.0 if fold % 2 else 0.9),
            )


def furnish(
    pen: Pen, room: Shape, colours: Palette, wanted: list[str], unwanted: list[str], chance: Random
) -> None:
    """Put in what the words ask for, and what a room has anyway."""

    def asked(piece: str) -> bool:
        return bool(set(_PIECES[piece]) & set(wanted)) and not refused(piece)

    def refused(piece: str) -> bool:
        return bool(set(_PIECES.get(piece, ())) & set(unwanted))

    size, span, floor = room.size, room.right - room.left, room.bottom
    middle = (room.left + room.right) / 2
    free_side = 1 if room.window_is_left else -1
    main = next((piece for piece in _MAIN if asked(piece)), "sofa")
    for number in range(chance.choice((1, 2, 3))):
        at = middle + free_side * span * (0.16 + 0.13 * number)
        decor.art(pen, at, room.top + (floor - room.top) * chance.uniform(0.3, 0.36), size, colours, chance)
    edge = middle + free_side * span * 0.41
    if asked("fireplace"):
        decor.fireplace(pen, middle + free_side * span * 0.3, floor + 0.004, size, colours, chance)
    elif asked("bookshelf") or (chance.random() < 0.4 and not refused("bookshelf")):
        decor.bookshelf(pen, edge, floor + 0.004, size, colours, chance)
    if main == "dining_table" or chance.random() < 0.35:
        decor.pendant(pen, middle, room.top + 0.13, size, colours, chance)
    lamp_at = middle - free_side * span * 0.43
    if not refused("floor_lamp"):
        decor.floor_lamp(pen, lamp_at, floor + 0.035, size, colours, chance)
    _paint_rug(pen, middle, floor, size, colours, chance)
    shift = chance.uniform(-0.05, 0.05) * span
    if asked("fireplace"):
        shift = -free_side * 0.16 * span
    getattr(furniture, main)(pen, middle + shift, floor + 0.075, size * 1.05, colours, chance)
    if not refused("plant"):
        decor.plant(pen, middle + free_side * span * 0.53, floor + 0.1, size * 0.95, colours, chance)
        if asked("plant"):
            decor.plant(pen, middle - free_side * span * 0.6, floor + 0.16, size * 1.05, colours, chance)
    if main == "sofa":
        furniture.coffee_table(pen, middle + shift * 0.5, floor + 0.2, size * 1.15, colours, chance)
    if (main == "sofa" and chance.random() < 0.5) or asked("armchair"):
        furniture.armchair(pen, middle - free_side * span * 0.42, floor + 0.21, size * 1.25, colours, chance)


def _paint_rug(pen: Pen, middle: float, floor: float, size: float, colours: Palette, chance: Random) -> None:
    wide, top, low = 0.36 * size, floor + 0.07, floor + 0.07 + 0.19 * size
    tones = (
        mix(colours.accent, colours.wall, 0.45),
        mix(colours.wall, (255, 255, 255), 0.35),
        mix(colours.textile, colours.wall, 0.5),
    )
    if chance.random() < 0.5:
        for number, tone in enumerate(tones):
            inset = number * 0.022 * size
            pen.oval(middle - wide + inset, top + inset * 0.5, middle + wide - inset, low - inset * 0.5, tone)
    else:
        for number, tone in enumerate(tones):
            inset, slant = number * 0.02 * size, 0.1 * size
            pen.shape(
                [
                    (middle - wide + inset + slant, top + inset * 0.5),
                    (middle + wide - inset - slant, top + inset * 0.5),
                    (middle + wide + slant * 0.4 - inset, low - inset * 0.5),
                    (middle - wide - slant * 0.4 + inset, low - inset * 0.5),
                ],
                tone,
            )


def light(picture: Image.Image, room: Shape, window: tuple[float, float], colours: Palette) -> Image.Image:
    """The picture with daylight that falls from the window on the floor, and corners that are darker."""
    small = Image.new(
        "RGB", (_LIGHT_SIDE, max(8, _LIGHT_SIDE * picture.height // picture.width)), _change(0, 0, 0)
    )
    pen = Pen(small)
    ratio = pen.width / (picture.width / picture.height)
    x0, x1 = window[0] * ratio, window[1] * ratio
    far, towards = (pen.width, -1) if room.window_is_left else (0.0, 1)
    pen.shape(
        [(far, 0), (far + towards * 0.3, 0), (far + towards * 0.12, 1), (far, 1)], _change(-34, -36, -30)
    )
    pen.box(0, 0.93, pen.width, 1, _change(-30, -32, -26))
    pen.box(0, 0, pen.width, 0.05, _change(-18, -19, -16))
    is_day = sum(colours.sky) > _DAY
    pen.oval(x0 - 0.1, room.top, x1 + 0.1, room.bottom, _change(14, 12, 8))
    lean = -towards * 0.22
    beam = [(x0, room.bottom), (x1, room.bottom), (x1 + lean * 1.5, 1.0), (x0 + lean, 1.0)]
    pen.shape(beam, _change(34, 29, 18) if is_day else _change(6, 8, 14))
    soft = small.filter(ImageFilter.GaussianBlur(6)).resize(picture.size, Image.Resampling.BILINEAR)
    return ImageChops.add(picture, soft, offset=-_NO_LIGHT)


def _change(red: int, green: int, blue: int) -> Colour:
    """How much lighter or darker it gets, as a colour of the layer that is laid over the picture."""
    return _NO_LIGHT + red, _NO_LIGHT + green, _NO_LIGHT + blue
