"""The GPU that a training has, and what follows from it: precision, batch, and whether memory must be saved."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

BF16_FROM = (8, 0)
"""CUDA capability from which bfloat16 is as quick as float16 (Ampere: A10G 8.6, L4 8.9; a T4 is 7.5)."""
ROOMY_GIB = 20.0
"""GPU memory from which a batch of 4 squares of 512 pixels fits without recomputing what was seen on the way."""
LEAST_GIB = 7.0
"""sd-scripts' own documents: 8 GB barely suffice for a LoRA of SD 1.x (docs/train_network_README-ja.md)."""


@dataclass(frozen=True)
class Device:
    """kind: `cuda` or `cpu`. memory_gib: of the GPU. capability: CUDA's, (0, 0) on a CPU."""

    kind: str
    name: str
    memory_gib: float = 0.0
    capability: tuple[int, int] = (0, 0)

    @property
    def precision(self) -> str:
        """What `--mixed_precision` is to be here."""
        if self.kind != "cuda":
            return "no"
        return "bf16" if self.capability >= BF16_FROM else "fp16"

    @property
    def batch(self) -> int:
        return 4 if self.memory_gib >= ROOMY_GIB else 2 if self.kind == "cuda" else 1

    @property
    def is_tight(self) -> bool:
        """Whether gradient checkpointing is needed: a fifth slower, a third of the memory."""
        return self.kind == "cuda" and self.memory_gib < ROOMY_GIB


def look() -> Device:
    """This machine's. Without torch, or without a GPU: the CPU."""
    if find_spec("torch") is None:
        return Device("cpu", "CPU, no torch")
    torch = import_module("torch")
    if not torch.cuda.is_available():
        return Device("cpu", "CPU")
    about = torch.cuda.get_device_properties(0)
    return Device("cuda", str(about.name), about.total_memory / 2**30, (int(about.major), int(about.minor)))


def free_memory() -> None:
    """Give back what a model held that nobody has any more: the next step's is another process, and needs it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
