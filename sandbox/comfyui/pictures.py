"""Draws what a latent asks for: a room. The same description gives the same bytes."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFont

from sandbox.comfyui import drawing, palette, room
from sandbox.comfyui.pen import Pen
from sandbox.comfyui.values import Latent, Wish, digest

WATERMARK = "emulated"
_SMOOTH_UP_TO = 768 * 768
"""Pixels up to which a picture is drawn twice as big and then reduced, so that its edges are smooth."""

_GREY = (127, 127, 127)
"""What an empty latent is decoded to."""

_PREVIEW_SIDE = 64
"""A picture that is still emerging is drawn this small."""


def draw(latent: Latent, number: int) -> Image.Image:
    """Picture `number` of the latent's batch, with the watermark."""
    picture = _draw(latent, (latent.width, latent.height), number)
    _mark(picture)
    return picture


class Emerging:
    """The first picture of a latent while it comes out of the noise."""

    def __init__(self, latent: Latent) -> None:
        self._latent = latent
        self._ends: tuple[Image.Image, Image.Image] | None = None

    def at(self, share: float) -> Image.Image:
        """The picture when this share of the steps is done: small, in the finished one's shape."""
        latent = self._latent
        if self._ends is None:
            scale = _PREVIEW_SIDE / max(latent.width, latent.height)
            size = max(1, round(latent.width * scale)), max(1, round(latent.height * scale))
            chance = Random(digest(latent))  # noqa: S311  # no secret
            noise = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
            grey = Image.new("RGB", size, _GREY)
            self._ends = Image.blend(noise, grey, 0.5), _draw(latent, size, 0)
        noise, done = self._ends
        return Image.blend(noise, done, share)


def _draw(latent: Latent, size: tuple[int, int], number: int) -> Image.Image:
    wish = latent.wish
    if wish is None:
        return Image.new("RGB", size, _GREY)
    is_smooth = (
        size[0] * size[1] <= _SMOOTH_UP_TO and not wish.positive.controls
    )  # a drawing's lines cover the edges
    factor = 2 if is_smooth else 1
    canvas = Image.new("RGB", (size[0] * factor, size[1] * factor))
    return _paint(canvas, factor, latent, wish, number)


def _paint(canvas: Image.Image, factor: int, latent: Latent, wish: Wish, number: int) -> Image.Image:
    """The room, painted on a canvas that is so many times as big as the picture is to be.

    Seed and number decide where things are, words and style what they are and how they are coloured; whatever else
    was asked for shows in the grain of the floor, so that no two recipes give the same picture.
    """
    place = Random(digest((wish.seed, number, latent.width, latent.height)))  # noqa: S311  # no secret
    grain = Random(digest((wish, number, latent.width, latent.height)))  # noqa: S311  # no secret
    said, unsaid = palette.words(wish.positive.text), palette.words(wish.negative.text)
    style, strength = wish.model.loras[-1] if wish.model.loras else (None, 0.0)
    colours = palette.choose(style, strength, said, grain)
    pen = Pen(canvas)
    trait = Random(style or str(wish.seed))  # noqa: S311  # no secret
    is_tiled, is_arched = trait.random() < 0.4, trait.random() < 0.4
    shape = room.shape(pen.width, place, is_tiled=is_tiled)
    room.paint_walls(pen, shape, colours, grain)
    if wish.positive.controls:
        for control in wish.positive.controls:
            lines = drawing.lines_of(control.pictures.images[0], canvas.size)
            drawing.follow(canvas, lines, control.strength, colours, place)
        return canvas
    window = room.paint_window(pen, shape, colours, place, is_arched=is_arched)
    room.furnish(pen, shape, colours, said, unsaid, place)
    picture = canvas.reduce(factor) if factor > 1 else canvas
    return room.light(picture, shape, window, colours)


def _mark(picture: Image.Image) -> None:
    mark = _watermark(min(picture.size))
    margin = max(2, min(picture.size) // 40)
    place = picture.width - mark.width - margin, picture.height - mark.height - margin
    picture.paste(mark, (max(0, place[0]), max(0, place[1])), mark)


@lru_cache(maxsize=16)
def _watermark(side: int) -> Image.Image:
    """The word, readable on a picture with this shorter side."""
    size = max(9, side // 22)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(WATERMARK)
    pad = max(2, size // 3)
    mark = Image.new("RGBA", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad))
    pen = ImageDraw.Draw(mark)
    pen.rounded_rectangle((0, 0, mark.width - 1, mark.height - 1), radius=pad, fill=(20, 20, 24, 130))
    pen.text((pad - left, pad - top), WATERMARK, font=font, fill=(255, 255, 255, 235))
    return mark
