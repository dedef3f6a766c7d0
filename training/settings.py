"""How a style is trained: each setting with its type, what is allowed and a default for interiors on a 16 or 24 GB GPU.

They come from the notebook's first cell, from `ops loras train`, or as texts from a job's hyperparameters (`from_texts`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast, get_args, get_type_hints

from training.captions import trigger_fault
from training.device import LEAST_GIB, Device
from training.faults import SettingsRefused

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*")
LONGEST_NAME = 60
SEPARATOR = "|"
"""Between the sample texts when they are one text."""
_SIGNS = re.compile(r"[\n\r|]|--")
Precision = Literal["auto", "fp16", "bf16", "no"]
Optimizer = Literal["AdamW8bit", "AdamW", "Lion", "Prodigy"]
Scheduler = Literal["cosine", "constant", "constant_with_warmup", "linear", "cosine_with_restarts"]
SAMPLES = (
    "{trigger}, a bright living room with a sofa and a large window",
    "{trigger}, a bedroom with a double bed and a wooden floor",
    "{trigger}, a kitchen with a dining table",
)
"""What the pictures after each epoch show: rooms that most sets have none of, so that the style is seen and not the set."""


def _number(default: float, low: float, high: float, told: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "told": told})


def _choice(default: Any, told: str) -> Any:
    return field(default=default, metadata={"told": told})


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Raises SettingsRefused with the setting's name, the value and what is allowed."""

    name: str = _choice(..., "the style's file name, without a version")
    trigger: str = _choice(..., "the word that calls the style")
    steps: int = _number(
        1500, 1, 100_000, "training steps in all; the repeats of each picture follow from it"
    )
    epochs: int = _number(
        10, 1, 200, "parts of the training, each ending with a saved style and sample pictures"
    )
    batch: int = _number(0, 0, 64, "pictures a step; 0: what the GPU's memory takes")
    resolution: int = _number(512, 64, 1024, "pixels of a side that is trained at")
    rank: int = _number(
        16, 1, 128, "how much a style can hold (--network_dim); more holds the pictures themselves"
    )
    alpha: float = _number(8, 0.1, 128, "scales what is learnt by alpha / rank")
    unet_rate: float = _number(1e-4, 1e-7, 1e-2, "learning rate of what draws")
    text_rate: float = _number(5e-5, 0, 1e-2, "learning rate of what reads; 0: it isn't trained")
    optimizer: Optimizer = _choice("AdamW8bit", "AdamW8bit needs bitsandbytes and a GPU; AdamW on a CPU")
    scheduler: Scheduler = _choice("cosine", "how the learning rates change")
    warmup: float = _number(0.05, 0, 0.5, "share of the steps in which the learning rates rise")
    precision: Precision = _choice("auto", "auto: bf16 on Ampere and newer, fp16 on older GPUs, no on a CPU")
    snr_gamma: float = _number(
        5, 0, 20, "gives noisy and clear steps a like weight (--min_snr_gamma); 0: off"
    )
    noise_offset: float = _number(
        0.05, 0, 0.2, "lets a style be darker or brighter than the base model's middle"
    )
    caption_dropout: float = _number(
        0.05, 0, 0.5, "share of captions left out, so that the style works with few words"
    )
    flip: bool = _choice(True, "each picture also mirrored: rooms have no right way round")
    samples: tuple[str, ...] = _choice(SAMPLES, "texts for the pictures after each epoch")
    negative: str = _choice("lowres, blurry, text, watermark", "what those pictures are not to show")
    sample_steps: int = _number(24, 1, 100, "steps for each of those pictures")
    seed: int = _number(42, 0, 2**31 - 1, "the same settings, set and machine give the same style")

    def __post_init__(self) -> None:
        fault = trigger_fault(self.trigger)
        if fault:
            raise SettingsRefused(fault)
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise SettingsRefused(
                f"name {self.name!r}: letters, digits, _ and single - between them, at most {LONGEST_NAME}, a letter first"
            )
        if re.search(r"-v\d+$", self.name):
            raise SettingsRefused(f"name {self.name!r}: without a version, for publishing counts them")
        hints = get_type_hints(TrainSettings)
        for one in fields(self):
            _check(one.name, getattr(self, one.name), hints[one.name], one.metadata)
        if not self.samples or any(
            not text or _SIGNS.search(text) for text in (*self.samples, f"x{self.negative}")
        ):
            raise SettingsRefused(
                "samples, negative: at least one text, none with a line break, | or --, which the trainer reads"
            )
        if self.resolution % 64:
            raise SettingsRefused(
                f"resolution {self.resolution}: a multiple of 64 ({self.resolution // 64 * 64 or 64})"
            )

    def as_texts(self) -> dict[str, str]:
        """As a job's hyperparameters: every value a text that `from_texts` takes."""
        return {name: _text(value) for name, value in asdict(self).items()}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return SEPARATOR.join(cast(tuple[str, ...], value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check(name: str, value: Any, kind: Any, about: Mapping[str, Any]) -> None:
    allowed = get_args(kind)
    if kind in (int, float):
        is_right = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
        low, high = about["low"], about["high"]
        if not is_right or not math.isfinite(value) or not low <= value <= high:
            whole = "a whole number" if kind is int else "a number"
            raise SettingsRefused(f"{name} {value!r}: {whole} from {low:g} to {high:g} ({about['told']})")
    elif kind is bool:
        if not isinstance(value, bool):
            raise SettingsRefused(f"{name} {value!r}: true or false ({about['told']})")
    elif allowed and kind != tuple[str, ...] and value not in allowed:
        raise SettingsRefused(f"{name} {value!r}: one of {', '.join(allowed)} ({about['told']})")


def from_texts(given: Mapping[str, str]) -> TrainSettings:
    """Settings from texts (a job's hyperparameters, a command's options). Unknown names are refused."""
    hints, values = get_type_hints(TrainSettings), dict[str, Any]()
    for name, text in given.items():
        if name not in hints:
            raise SettingsRefused(f"{name} is no setting; there are {', '.join(hints)}")
        values[name] = _value(name, text, hints[name])
    missing = [name for name in ("name", "trigger") if name not in values]
    if missing:
        raise SettingsRefused(f"{' and '.join(missing)} must be given")
    return TrainSettings(**values)


def _value(name: str, text: str, kind: Any) -> Any:
    try:
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
    except ValueError:
        raise SettingsRefused(f"{name} {text!r}: no {'whole ' if kind is int else ''}number") from None
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(SEPARATOR) if part.strip())
    return text


@dataclass(frozen=True)
class Plan:
    """What the settings come to with so many pictures on this machine."""

    images: int
    repeats: int
    batch: int
    steps_per_epoch: int
    epochs: int
    steps: int
    precision: str
    optimizer: str
    saves_memory: bool


def plan(settings: TrainSettings, images: int, device: Device) -> Plan:
    """Repeats so that all epochs together come closest to the steps asked for. Raises SettingsRefused."""
    if device.kind == "cuda" and device.memory_gib < LEAST_GIB:
        raise SettingsRefused(
            f"{device.name} has {device.memory_gib:.0f} GiB of memory; a style needs at least {LEAST_GIB:.0f}"
        )
    if settings.precision == "bf16" and device.kind == "cuda" and device.precision != "bf16":
        raise SettingsRefused(f"precision 'bf16': {device.name} has none; take auto or fp16")
    batch = settings.batch or device.batch
    epochs = min(settings.epochs, settings.steps)
    repeats = max(1, round(settings.steps * batch / (images * epochs)))
    steps_per_epoch = math.ceil(images * repeats / batch)
    return Plan(
        images=images,
        repeats=repeats,
        batch=batch,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        steps=steps_per_epoch * epochs,
        precision=device.precision if settings.precision == "auto" else settings.precision,
        optimizer="AdamW"
        if device.kind == "cpu" and settings.optimizer == "AdamW8bit"
        else settings.optimizer,
        saves_memory=device.is_tight,
    )
