"""Stand-ins for the models of the local stack: real safetensors files with one small tensor, and what they stand for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

MODELS = {
    "checkpoints": ("interiordesignsuperm_v2",),
    "controlnet": ("control_v11p_sd15_scribble_fp16",),
    "loras": ("Indochine", "Minimalist"),
}
"""What the workflows name, and two styles; by the folder in the bucket."""
TENSOR_BYTES = 4096


def write(folder: Path) -> dict[str, list[Path]]:
    """Write all of them under `folder`; paths by their folder in the bucket. The same bytes each time."""
    return {
        kind: [_write(folder / kind / f"{name}.safetensors", name) for name in names]
        for kind, names in MODELS.items()
    }


def _write(path: Path, name: str) -> Path:
    """The layout of the safetensors README: length, JSON header, tensors."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt", "emulated": "true", "stands_for": name},
            "emulated": {"dtype": "U8", "shape": [TENSOR_BYTES], "data_offsets": [0, TENSOR_BYTES]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + name.encode().ljust(TENSOR_BYTES, b"\0"))
    return path
