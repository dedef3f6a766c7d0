"""Which layers of a Stable Diffusion 1.x model a LoRA by kohya has parts for, with their shapes, read from the model's file.

The base may be a diffusers folder or one checkpoint with the original names, as on the platform. Both lead to the same
names, as sd-scripts gives them (networks/lora.py): `lora_unet_` or `lora_te_`, and the layer's path with underscores.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

_UNET = re.compile(
    r"(?:(?:down|up)_blocks\.\d+|mid_block)\.attentions\.\d+\."
    r"(?:proj_in|proj_out|transformer_blocks\.\d+\.(?:attn[12]\.to_(?:q|k|v|out\.0)|ff\.net\.(?:0\.proj|2)))"
)
_TEXT = re.compile(r"text_model\.encoder\.layers\.\d+\.(?:self_attn\.(?:q|k|v|out)_proj|mlp\.fc[12])")
_CHECKPOINT_UNET, _CHECKPOINT_TEXT = "model.diffusion_model.", "cond_stage_model.transformer."


class NoModel(Exception):
    """What was given as the base is no Stable Diffusion model."""


@dataclass(frozen=True)
class Layer:
    """name: as the LoRA's keys begin. shape: of the layer's weight, (out, in) or (out, in, 1, 1)."""

    name: str
    shape: tuple[int, ...]

    def parts(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of lora_down and lora_up."""
        out, into, *kernel = self.shape
        return (rank, into, *kernel), (out, rank, *([1] * len(kernel)))


def layers(base: Path, *, with_text: bool) -> list[Layer]:
    """In the order of their names. Raises NoModel."""
    if base.is_dir():
        unet = _shapes(base / "unet" / "diffusion_pytorch_model.safetensors")
        text = _shapes(base / "text_encoder" / "model.safetensors")
    else:
        both = _shapes(base)
        unet = {
            _diffusers_name(key.removeprefix(_CHECKPOINT_UNET)): shape
            for key, shape in both.items()
            if key.startswith(_CHECKPOINT_UNET)
        }
        text = {key.removeprefix(_CHECKPOINT_TEXT): shape for key, shape in both.items()}
    found = [*_found("lora_unet", _UNET, unet), *(_found("lora_te", _TEXT, text) if with_text else [])]
    if not found:
        raise NoModel(f"{base} has no U-Net of Stable Diffusion")
    return sorted(found, key=lambda one: one.name)


def _found(prefix: str, pattern: re.Pattern[str], shapes: dict[str, tuple[int, ...]]) -> list[Layer]:
    weights = {key.removesuffix(".weight"): shape for key, shape in shapes.items() if key.endswith(".weight")}
    return [
        Layer(f"{prefix}_{key.replace('.', '_')}", shape)
        for key, shape in weights.items()
        if pattern.fullmatch(key)
    ]


def _diffusers_name(key: str) -> str:
    """Of a layer in a checkpoint with two layers a block: input_blocks 1, 2, 4, 5, …; output_blocks 0 to 11."""
    match = re.match(r"(input|output)_blocks\.(\d+)\.1\.(.*)", key)
    if match:
        number = int(match[2])
        side, block, at = (
            ("down", *divmod(number - 1, 3)) if match[1] == "input" else ("up", *divmod(number, 3))
        )
        return f"{side}_blocks.{block}.attentions.{at}.{match[3]}"
    return key.replace("middle_block.1.", "mid_block.attentions.0.")


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    try:
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise NoModel(f"{file} is no safetensors file: {error}") from error
    return {key: tuple(one["shape"]) for key, one in header.items() if key != "__metadata__"}
