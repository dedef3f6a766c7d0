"""The data set's description, read and checked as sd-scripts does (library/config_util.py): unknown names are refused."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_SHARED = {
    "caption_dropout_every_n_epochs",
    "caption_dropout_rate",
    "caption_prefix",
    "caption_separator",
    "caption_suffix",
    "caption_tag_dropout_rate",
    "color_aug",
    "enable_wildcard",
    "face_crop_aug_range",
    "flip_aug",
    "keep_tokens",
    "keep_tokens_separator",
    "num_repeats",
    "random_crop",
    "resize_interpolation",
    "secondary_separator",
    "shuffle_caption",
    "token_warmup_min",
    "token_warmup_step",
}
_DATASET = {
    "batch_size",
    "bucket_no_upscale",
    "bucket_reso_steps",
    "enable_bucket",
    "max_bucket_reso",
    "min_bucket_reso",
    "network_multiplier",
    "resolution",
    "validation_seed",
    "validation_split",
}
_FOLDER = {
    "alpha_mask",
    "cache_info",
    "caption_extension",
    "class_tokens",
    "custom_attributes",
    "image_dir",
    "is_reg",
}
_BOTH = _SHARED | {"caption_extension"}


class Invalid(Exception):
    """The description isn't one that sd-scripts takes."""


@dataclass(frozen=True)
class Batches:
    """What an epoch goes through."""

    images: int
    repeats: int
    steps: int
    batch: int
    resolution: int
    without_caption: int


def read(text: str) -> Batches:
    """Raises Invalid."""
    try:
        given: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:
        raise Invalid(f"not TOML: {error}") from error
    _only(given, {"general", "datasets"}, "the file")
    _only(given.get("general", {}), _BOTH | _DATASET, "[general]")
    if len(given.get("datasets", [])) != 1:
        raise Invalid("this emulator takes one [[datasets]]")
    [dataset] = given["datasets"]
    _only(dataset, _BOTH | _DATASET | {"subsets"}, "[[datasets]]")
    images = shown = without = 0
    for subset in dataset.get("subsets", []):
        _only(subset, _SHARED | _FOLDER, "[[datasets.subsets]]")
        if "image_dir" not in subset:
            raise Invalid("required key not provided @ data['datasets'][0]['subsets'][0]['image_dir']")
        found = [one for one in sorted(Path(subset["image_dir"]).glob("*")) if one.suffix.lower() in PICTURES]
        extension = subset.get("caption_extension", ".caption")
        without += sum(not one.with_suffix(extension).is_file() for one in found)
        images += len(found)
        shown += len(found) * int(subset.get("num_repeats", 1))
    batch = int(dataset.get("batch_size", 1))
    return Batches(
        images=images,
        repeats=shown // images if images else 0,
        steps=math.ceil(shown / batch),
        batch=batch,
        resolution=int(dataset.get("resolution", 512)),
        without_caption=without,
    )


def _only(given: dict[str, Any], allowed: set[str], where: str) -> None:
    for name in given:
        if name not in allowed:
            raise Invalid(f"extra keys not allowed @ {where}: {name}")
