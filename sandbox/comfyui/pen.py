"""Draws in heights of the picture, so that one drawing fits every size: x from 0 to `width`, y from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from sandbox.comfyui.palette import Colour

Point = tuple[float, float]


class Pen:
    """Draws on a canvas."""

    def __init__(self, canvas: Image.Image) -> None:
        self.canvas = canvas
        self.width = canvas.width / canvas.height
        self._unit = canvas.height
        self._draw = ImageDraw.Draw(canvas)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=colour)

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, corner: float = 0
    ) -> None:
        """A filled box, with rounded corners if `corner` is their radius."""
        place = self._place(left, top, right, bottom)
        if place is None:
            return
        radius = corner * self._unit
        if radius < 1:
            self._draw.rectangle(place, fill=colour)
        else:
            self._draw.rounded_rectangle(place, radius=radius, fill=colour)

    def oval(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled ellipse."""
        place = self._place(left, top, right, bottom)
        if place is not None:
            self._draw.ellipse(place, fill=colour)

    def line(self, points: Sequence[Point], colour: Colour, thick: float = 0.004) -> None:
        """A line of at least a pixel."""
        scaled = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.line(scaled, fill=colour, width=max(1, int(thick * self._unit)))

    def leaf(self, root: Point, angle: float, length: float, width: float, colour: Colour) -> None:
        """A leaf that grows from its root; angle in radians, 0 straight up."""
        along = (math.sin(angle), -math.cos(angle))
        across = (-along[1], along[0])

        def at(share: float, side: float) -> Point:
            bulge = math.sin(share * math.pi) * width * side
            return (
                root[0] + along[0] * length * share + across[0] * bulge,
                root[1] + along[1] * length * share + across[1] * bulge,
            )

        there = [at(step / 6, 1) for step in range(7)]
        back = [at(step / 6, -1) for step in range(6, -1, -1)]
        self.shape([*there, *back], colour)

    def _place(self, left: float, top: float, right: float, bottom: float) -> list[float] | None:
        place = [left * self._unit, top * self._unit, right * self._unit, bottom * self._unit]
        return place if place[2] >= place[0] and place[3] >= place[1] else None
