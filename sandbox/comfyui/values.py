"""What nodes hand to each other: instead of tensors, descriptions of what is to be drawn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Model:
    """MODEL and CLIP: a checkpoint and the LoRAs over it, each with its strength."""

    checkpoint: str
    loras: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Vae:
    """VAE."""

    checkpoint: str


@dataclass(frozen=True, kw_only=True)
class ControlNet:
    """CONTROL_NET."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """IMAGE: pictures of one size."""

    images: tuple[Image.Image, ...] = field(repr=False, compare=False)
    digest: str
    """Of what they were made from, or of their bytes."""
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """MASK: loaded with a picture, and used by no node here."""

    digest: str


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a picture steers another."""

    net: ControlNet
    pictures: Pictures
    strength: float
    start_percent: float
    end_percent: float


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """CONDITIONING: a text, and what steers."""

    text: str
    model: Model
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """All that a sampler is told."""

    model: Model
    positive: Conditioning
    negative: Conditioning
    seed: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    denoise: float
    before: Wish | None
    """What the latent held already."""


@dataclass(frozen=True, kw_only=True)
class Latent:
    """LATENT: so many pictures of a size, and what they are to show; nothing yet without a wish."""

    width: int
    height: int
    count: int
    wish: Wish | None = None


def digest(value: Any) -> str:
    """A text that is the same for the same description, on every machine and in every process."""
    return hashlib.sha256(_said(value).encode()).hexdigest()


def _said(value: Any) -> str:
    if is_dataclass(value):
        parts = (f"{one.name}={_said(getattr(value, one.name))}" for one in fields(value) if one.compare)
        return f"{type(value).__name__}({','.join(parts)})"
    if isinstance(value, tuple):
        return f"({','.join(_said(one) for one in value)})"  # pyright: ignore[reportUnknownVariableType]
    return repr(value)
