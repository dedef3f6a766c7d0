"""LoRA files of the real key layouts, small: as sd-scripts, diffusers and others name their tensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

Tensors = Mapping[str, tuple[int, ...]]

SD_15_LAYERS = {
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (768, 768),
    "lora_te_text_model_encoder_layers_11_mlp_fc1": (768, 3072),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": (320, 320),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k": (768, 320),
    "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn2_to_v": (768, 320),
}
"""Width before and after some layers of Stable Diffusion 1.5, by sd-scripts' names (networks/lora.py)."""


def kohya(layers: Mapping[str, tuple[int, int]] = SD_15_LAYERS, rank: int = 4) -> dict[str, tuple[int, ...]]:
    """Shapes of a LoRA's tensors by sd-scripts' names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (wide, out) in layers.items():
        shapes |= {
            f"{name}.alpha": (),
            f"{name}.lora_down.weight": (rank, wide),
            f"{name}.lora_up.weight": (out, rank),
        }
    return shapes


def safetensors(
    tensors: Tensors, metadata: Mapping[str, str] | None = None, seed: int = 1, alpha: float = 2.0
) -> bytes:
    """A whole file in half precision; another seed, other bytes."""
    header: dict[str, object] = {"__metadata__": dict(metadata or {})}
    data = bytearray()
    for name, shape in tensors.items():
        count, begin = 1, len(data)
        for length in shape:
            count *= length
        data += struct.pack("<e", alpha) if not shape else bytes([seed % 50, 60]) * count
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, len(data)]}
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(data)


def write_lora(
    folder: Path, name: str = "style.safetensors", seed: int = 1, metadata: Mapping[str, str] | None = None
) -> Path:
    """A LoRA of rank 4 for Stable Diffusion 1.5, as sd-scripts writes one."""
    path = folder / name
    path.write_bytes(safetensors(kohya(), metadata, seed))
    return path
