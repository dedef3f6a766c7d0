"""Draws what a latent asks for: a room. The same description gives the same bytes."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw

from sandbox.comfyui.values import Latent, digest


def draw(latent: Latent, number: int) -> Image.Image:
    """Picture `number` of the latent's batch."""
    dice = random.Random(digest((latent.wish, latent.width, latent.height, number)))  # noqa: S311  # no secret
    image = Image.new("RGB", (latent.width, latent.height), tuple(dice.randrange(120, 240) for _ in range(3)))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, latent.height * 2 // 3, latent.width, latent.height), fill=(140, 110, 90))
    pen.text((4, latent.height - 14), "emulated", fill=(255, 255, 255))
    return image


class Emerging:
    """The first picture of a latent while it comes out of the noise."""

    def __init__(self, latent: Latent) -> None:
        self._latent = latent
        self._drawn: Image.Image | None = None

    def at(self, share: float) -> Image.Image:
        """The picture when this share of the steps is done."""
        if self._drawn is None:
            self._drawn = draw(self._latent, 0)
        noise = Image.effect_noise(self._drawn.size, 60).convert("RGB")
        return Image.blend(noise, self._drawn, share)
