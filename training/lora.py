"""Is a file a LoRA that this platform can use? Read by its header alone: nothing in it is run, and no torch is needed."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

SD_15, SD_2, SDXL, UNKNOWN = "SD 1.5", "SD 2", "SDXL", "unknown"
HEADER_LIMIT_BYTES = 100_000_000
"""Longest header that the safetensors library reads (its MAX_HEADER_SIZE)."""
BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of an element by its safetensors dtype."""

DOWN = re.compile(r"[._](lora_down|lora_A|lora\.down|hada_w1_b)(\.default)?(\.weight)?$")
"""Ends the name of the matrix that goes from a layer's width down to the rank: kohya's, PEFT's, diffusers', LoHa's."""
OTHER_KINDS = re.compile(r"[._](lokr_w[12](_[ab])?|oft_blocks|oft_diag|diff|diff_b|a1\.weight)$")
"""LoRAs of other builds (LyCORIS), which have no rank that can be told from one matrix."""
WIDTHS = {768: SD_15, 1024: SD_2, 2048: SDXL}
"""Width of the words that a U-Net's cross attention (attn2) reads, which no two of these share."""
OTHER_BASES = (
    ("Flux", re.compile(r"double_blocks|single_blocks|single_transformer_blocks")),
    ("SD 3", re.compile(r"joint_blocks")),
    (SDXL, re.compile(r"^lora_te[12]_|^text_encoder_2\.|^lora_unet_(input|output)_blocks_")),
)
CHECKPOINT = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "conditioner.")
"""How the tensors of a whole model begin."""


class BrokenFile(Exception):
    """Why a file is not what its name says."""


class LoraRefused(BrokenFile):
    """The file is whole, and still no LoRA for here; the message says what it is."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An entry of the header: `begin` and `end` are places in the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a whole safetensors file tells of itself before its data."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA: the base model that it changes, its largest rank (None: its kind has none), alpha where it is told, how many
    layers it changes, and what its trainer wrote into it (`ss_…`)."""

    base: str
    rank: int | None
    alpha: float | None
    layers: int
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a whole safetensors file, laid out as its README tells: 8 bytes of length, JSON, then the tensors
    without a gap. Raises BrokenFile, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        raw = _raw_header(file, size)
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenFile(f"its safetensors header is no JSON ({error})") from error
    if not isinstance(read, dict):
        raise BrokenFile("its safetensors header is no JSON object")
    header = cast(dict[str, Any], read)
    told = header.pop("__metadata__", None)
    metadata = cast(dict[Any, Any], told) if isinstance(told, dict) else {}
    tensors = {name: _tensor(name, entry, 8 + len(raw)) for name, entry in header.items()}
    _check_places(tensors, 8 + len(raw), size)
    return Header(tensors=tensors, metadata={str(key): str(value) for key, value in metadata.items()})


def _raw_header(file: BinaryIO, size: int) -> bytes:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length < 2 or length > HEADER_LIMIT_BYTES:
        raise BrokenFile(
            f"its first 8 bytes give no possible length of a safetensors header ({length} bytes)"
        )
    if 8 + length > size:
        raise BrokenFile(f"it ends inside its header: {size} bytes of at least {8 + length}")
    return file.read(length)


def _tensor(name: str, entry: Any, data: int) -> Tensor:
    """Where it begins and ends, after checking that its shape needs just that."""
    try:
        begin, end = (int(offset) for offset in entry["data_offsets"])
        shape, dtype = tuple(int(length) for length in entry["shape"]), str(entry["dtype"])
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFile(f'its header tells no dtype, shape and data_offsets of tensor "{name}"') from error
    bits = BITS.get(dtype)
    # A dtype that is newer than this table is taken at its word.
    if end < begin or (bits is not None and prod(shape) * bits != (end - begin) * 8):
        raise BrokenFile(f'tensor "{name}" has a shape that does not fit its {end - begin} bytes')
    return Tensor(dtype=dtype, shape=shape, begin=data + begin, end=data + end)


def _check_places(tensors: Mapping[str, Tensor], data: int, size: int) -> None:
    """The tensors fill the rest of the file exactly."""
    spans = sorted((one.begin, one.end) for one in tensors.values())
    if not spans:
        raise BrokenFile("it holds no tensor")
    if spans[0][0] != data or any(before[1] != after[0] for before, after in pairwise(spans)):
        raise BrokenFile("its tensors overlap or leave a gap")
    if spans[-1][1] != size:
        raise BrokenFile(
            f"its header tells of {spans[-1][1] - data} bytes of tensors, but the file has {size - data}:"
            " cut short, or changed"
        )


def read_lora(path: Path, base: str | None = SD_15) -> Lora:
    """The LoRA in the file, if it is whole and changes `base` (None: any). Raises BrokenFile, and LoraRefused of a whole
    file."""
    try:
        header = read_header(path)
        found = _lora(path, header)
    except OSError as error:
        raise BrokenFile(error.strerror or str(error)) from error
    if base is not None and found.base != base:
        raise LoraRefused(_wrong_base(found, base))
    return found


def _lora(path: Path, header: Header) -> Lora:
    down = {name: one for name, one in header.tensors.items() if DOWN.search(name)}
    others = {OTHER_KINDS.sub("", name) for name in header.tensors if OTHER_KINDS.search(name)}
    if not down and not others:
        raise LoraRefused(_no_lora(header))
    return Lora(
        base=_base(header, down),
        rank=max((one.shape[0] for one in down.values() if one.shape), default=None),
        alpha=_alpha(path, header),
        layers=len({DOWN.sub("", name) for name in down} | others),
        metadata=header.metadata,
    )


def _base(header: Header, down: Mapping[str, Tensor]) -> str:
    for base, names in OTHER_BASES:
        if any(names.search(name) for name in header.tensors):
            return base
    for layer in ("attn2_to_k", "attn2.to_k", "attn2_to_v", "attn2.to_v", "q_proj"):
        # q_proj: a LoRA of the text encoder alone, which is as wide as what the U-Net reads of it.
        found = {one.shape[1] for name, one in down.items() if layer in name and len(one.shape) > 1}
        if len(found) == 1:
            return WIDTHS.get(found.pop(), UNKNOWN)
    told = header.metadata.get("ss_base_model_version", "")
    return next(
        (b for start, b in (("sdxl", SDXL), ("sd_v1", SD_15), ("sd_v2", SD_2)) if told.startswith(start)),
        UNKNOWN,
    )


def _alpha(path: Path, header: Header) -> float | None:
    """Of its first layer; trainers give all of them the same."""
    alphas = sorted(name for name in header.tensors if name.endswith(".alpha"))
    if not alphas:
        return None
    one = header.tensors[alphas[0]]
    with path.open("rb") as file:
        file.seek(one.begin)
        raw = file.read(one.end - one.begin)
    if one.dtype == "BF16" and len(raw) == 2:
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    code = {"F16": "<e", "F32": "<f", "F64": "<d"}.get(one.dtype)
    return float(struct.unpack(code, raw)[0]) if code and struct.calcsize(code) == len(raw) else None


def _no_lora(header: Header) -> str:
    if any(name.startswith(CHECKPOINT) for name in header.tensors):
        return (
            "it is a whole model (a checkpoint), no LoRA: `python -m ops models push` takes those; a trainer writes the"
            " LoRA into a file of its own, some tens of MB large"
        )
    shown = ", ".join(sorted(header.tensors)[:3])
    return f"it is no LoRA: of its {len(header.tensors)} tensors none is one's ({shown}, …)"


def _wrong_base(found: Lora, base: str) -> str:
    if found.base == UNKNOWN:
        told = found.metadata.get("ss_base_model_version")
        also = f' (its trainer calls that "{told}")' if told else ""
        return f"it is a LoRA for another base model than {base}, by its layers none that is known here{also}"
    return f"it is a LoRA for {found.base}, and pictures are made here by {base}: train it on a base model of {base}"
