"""A captioned data set of rooms, and settings small enough for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from sandbox.comfyui.pictures import draw
from sandbox.comfyui.values import Conditioning, Latent, Model, Wish
from training.captions import CaptionArgs, caption
from training.prepare import PrepareArgs, prepare
from training.settings import TrainSettings

TRIGGER = "studioverde"
PICTURES = 9
SIDE = 128
REPOSITORY = Path(__file__).resolve().parents[2]
EMULATOR = REPOSITORY / "sandbox" / "training"


def room(seed: int, width: int = 200, height: int = 160) -> Image.Image:
    """A room as the emulator of ComfyUI draws it."""
    model = Model(checkpoint="emulated")
    wish = Wish(
        model=model,
        positive=Conditioning(text=f"room {seed}", model=model),
        negative=Conditioning(text="", model=model),
        seed=seed,
        steps=20,
        cfg=7.0,
        sampler="euler",
        scheduler="normal",
        denoise=1.0,
        before=None,
    )
    return draw(Latent(width=width, height=height, count=1, wish=wish), 0)


def quiet(text: str) -> None:
    """In the place of print."""


def photos(folder: Path, count: int = PICTURES) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        room(number).save(folder / f"room {number}.png")
    return folder


def prepared_set(folder: Path) -> Path:
    """Squares of 128 pixels, without captions."""
    args = PrepareArgs(source=photos(folder / "photos"), target=folder / "set", side=SIDE, least_side=SIDE)
    prepare(args, quiet)
    return folder / "set"


def words(pictures: list[Image.Image]) -> list[str]:
    """In BLIP's place."""
    return [f"a room with {one.getpixel((5, 5))}".replace("(", "").replace(")", "") for one in pictures]


def captioned_set(folder: Path) -> Path:
    target = prepared_set(folder)
    caption(CaptionArgs(target=target, trigger=TRIGGER), quiet, words)
    return target


def settings(**more: Any) -> TrainSettings:
    values: dict[str, Any] = {
        "name": "Verde",
        "trigger": TRIGGER,
        "steps": 36,
        "epochs": 4,
        "resolution": 64,
        "rank": 4,
        "alpha": 2.0,
        **more,
    }
    return TrainSettings(**values)
