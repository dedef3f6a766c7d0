"""What a designer has drawn, as the picture follows it: the areas between its lines in colour, and the lines over them."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageFilter, ImageOps

from sandbox.comfyui.palette import Colour, Palette, mix, shade

_GRID = 64
"""Cells on the longer side, in which areas are looked for."""

_IS_LINE = 28
"""Of 255: a cell this bright belongs to a line; one thin line through it is enough."""

_ROOM = 0.5
"""An area of more than this share is left as it is: the lines in it close nothing, and the room shows."""

_LARGE = 0.07
"""An area of more than this share is a wall, or floor when it reaches the lower edge."""

_SMALL = 3
"""Areas of fewer cells are specks."""

_COVER = 225
"""Of 255: how much of the room a coloured area covers."""

_LINE, _FREE = -1, -2
"""What a cell is before it belongs to an area."""


def lines_of(drawn: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The drawing at the picture's size, cut to its shape from the middle; what is bright in it is line."""
    return ImageOps.fit(drawn.convert("L"), size, Image.Resampling.BILINEAR)


def follow(
    picture: Image.Image, lines: Image.Image, strength: float, colours: Palette, chance: Random
) -> None:
    """Paint the areas between the lines, and the lines, onto the picture."""
    firm = min(1.0, 0.35 + 0.65 * strength)
    tinted, cover = _areas(lines, colours, chance)
    soft = cover.resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste(tinted.resize(picture.size, Image.Resampling.BILINEAR), mask=soft)
    half = lines.reduce(2) if min(lines.size) > 1 else lines
    shadow = half.filter(ImageFilter.GaussianBlur(max(1.0, picture.height / 180)))
    shadow = shadow.point([min(115, value * 5 // 8) for value in range(256)])
    picture.paste((40, 30, 28), mask=shadow.resize(picture.size, Image.Resampling.BILINEAR))
    ink = shade(mix(colours.wood, (30, 24, 24), 0.55), 0.8)
    picture.paste(ink, mask=lines.point([int(value * firm) for value in range(256)]))


def _areas(lines: Image.Image, colours: Palette, chance: Random) -> tuple[Image.Image, Image.Image]:
    """A small picture of the coloured areas, and where it covers what is beneath."""
    longest = max(lines.size)
    size = (max(4, lines.width * _GRID // longest), max(4, lines.height * _GRID // longest))
    grid = _Grid(lines.resize(size, Image.Resampling.BOX))
    tones = _tones(grid, colours, chance)
    labels = grid.grown()  # a -1 is left only where all is line, and then there is but one tone, None
    tinted, cover = Image.new("RGB", size, colours.wall), Image.new("L", size)
    tinted.putdata([tones[label] or colours.wall for label in labels])
    cover.putdata([_COVER if tones[label] else 0 for label in labels])
    return tinted, cover


class _Grid:
    """The drawing in cells, with the areas that its lines enclose. A frame of line runs around it."""

    def __init__(self, lines: Image.Image) -> None:
        self.width, self.height = lines.size
        self._wide = self.width + 2
        framed = ImageOps.expand(lines, 1, fill=255)
        self._labels = [_LINE if value > _IS_LINE else _FREE for value in framed.tobytes()]
        self.areas: list[list[int]] = [[]]
        """Cells of each area by its number, from 1 on."""
        for start, label in enumerate(self._labels):
            if label == _FREE:  # as it is now: filling changes the list
                self.areas.append(self._fill(start, len(self.areas)))

    def _fill(self, start: int, number: int) -> list[int]:
        labels, wide = self._labels, self._wide
        labels[start] = number
        cells = [start]
        for cell in cells:  # grows while it is gone through
            for other in (cell - 1, cell + 1, cell - wide, cell + wide):
                if labels[other] == _FREE:
                    labels[other] = number
                    cells.append(other)
        return cells

    def reaches_floor(self, number: int) -> bool:
        """Whether an area touches the lower edge."""
        last = self.height * self._wide
        return any(cell >= last for cell in self.areas[number])

    def grown(self) -> list[int]:
        """The area of each cell, without the frame; cells of lines go to the areas beside them."""
        labels, wide = list(self._labels), self._wide
        cells = [cell for area in self.areas for cell in area]
        for cell in cells:
            for other in (cell - 1, cell + 1, cell - wide, cell + wide):
                if (
                    labels[other] == _LINE
                    and 0 < other % wide <= self.width
                    and 0 < other // wide <= self.height
                ):
                    labels[other] = labels[cell]
                    cells.append(other)
        rows = (labels[row * wide + 1 : row * wide + 1 + self.width] for row in range(1, self.height + 1))
        return [label for row in rows for label in row]


def _tones(grid: _Grid, colours: Palette, chance: Random) -> list[Colour | None]:
    """A colour for each area; None where the room itself shows."""
    choice = [
        colours.textile,
        colours.accent,
        shade(colours.wood, 1.25),
        colours.leaf,
        shade(colours.sky, 0.95),
    ]
    chance.shuffle(choice)
    tones: list[Colour | None] = []
    for number, cells in enumerate(grid.areas):
        share = len(cells) / (grid.width * grid.height)
        light = chance.uniform(0.9, 1.12)
        if not number or share > _ROOM or len(cells) < _SMALL:
            tones.append(None)
        elif share > _LARGE:
            tones.append(shade(colours.floor if grid.reaches_floor(number) else colours.wall, light))
        else:
            tones.append(shade(choice[number % len(choice)], light))
    return tones
