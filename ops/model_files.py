"""Is a file what its name says? Read without running anything in it: a pickle is never loaded."""

import json
import zipfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, cast

FOLDERS = (
    "checkpoints",
    "clip_vision",
    "controlnet",
    "diffusion_models",
    "embeddings",
    "hypernetworks",
    "style_models",
    "text_encoders",
    "upscale_models",
    "vae",
    "vae_approx",
)
"""Folders under models/ where ComfyUI looks (folder_paths.py), as far as Stable Diffusion 1.5 has use for them.
LoRAs have their own place in the bucket."""

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
TORCH_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What torch.save wrote first before version 1.6: its magic number, pickled."""
PICKLED = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How a pickle of protocol 2 to 5 begins; every pickle ends with STOP, a dot."""
NOT_A_MODEL = (
    (b"<!doctype", "it is a web page: the download was a log-in or error page, not the model"),
    (b"<html", "it is a web page: the download was a log-in or error page, not the model"),
    (b"<?xml", "it is an XML answer, not the model"),
    (b"version https://git-lfs", "it is a Git LFS pointer: fetch the model itself with `git lfs pull`"),
)
"""What often lies under a model's name, by its first bytes in lower case."""


class BrokenFile(Exception):
    """Why a file is not what its name says."""


def check(path: Path) -> None:
    """Return when the file is whole as far as its format tells; else raise BrokenFile with the reason."""
    try:
        _check(path)
    except OSError as error:
        raise BrokenFile(error.strerror or str(error)) from error


def _check(path: Path) -> None:
    if not path.exists():
        raise BrokenFile("there is no such file")
    if not path.is_file():
        raise BrokenFile("it is not a file")
    if not path.name.isprintable() or "\\" in path.name or path.name.startswith("."):
        raise BrokenFile("its name begins with a dot, or holds a backslash or unprintable characters")
    inspect = FORMATS.get(path.suffix.lower())
    if inspect is None:
        raise BrokenFile(
            f'"{path.suffix}" is no kind of model file known here; allowed: {", ".join(sorted(FORMATS))}'
        )
    size = path.stat().st_size
    if size == 0:
        raise BrokenFile("it is empty")
    with path.open("rb") as file:
        beginning = file.read(64).lstrip().lower()
    for magic, reason in NOT_A_MODEL:
        if beginning.startswith(magic):
            raise BrokenFile(reason)
    inspect(path, size)


def _safetensors(path: Path, size: int) -> None:
    """The layout told in the safetensors README: 8 bytes of length, a JSON header, then the tensors without a gap."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length < 2 or length > HEADER_LIMIT_BYTES:
            raise BrokenFile(
                f"its first 8 bytes give no possible length of a safetensors header ({length} bytes)"
            )
        if 8 + length > size:
            raise BrokenFile(f"it ends inside its header: {size} bytes of at least {8 + length}")
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenFile(f"its safetensors header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise BrokenFile("its safetensors header is no JSON object")
    _tensors(cast(Mapping[str, Any], header), size - 8 - length)


def _tensors(header: Mapping[str, Any], data_bytes: int) -> None:
    """The tensors fill the rest of the file exactly."""
    spans = sorted(_span(name, entry) for name, entry in header.items() if name != "__metadata__")
    if not spans:
        raise BrokenFile("it holds no tensor")
    if spans[0][0] != 0 or any(before[1] != after[0] for before, after in pairwise(spans)):
        raise BrokenFile("its tensors overlap or leave a gap")
    if spans[-1][1] != data_bytes:
        raise BrokenFile(
            f"its header tells of {spans[-1][1]} bytes of tensors, but the file has {data_bytes}: cut short, or changed"
        )


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor begins and ends, after checking that its shape needs just that."""
    try:
        begin, end = (int(offset) for offset in entry["data_offsets"])
        elements = prod(int(length) for length in entry["shape"])
        bits = BITS.get(str(entry["dtype"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenFile(f'its header tells no dtype, shape and data_offsets of tensor "{name}"') from error
    # A dtype that is newer than this table is taken at its word.
    if end < begin or (bits is not None and elements * bits != (end - begin) * 8):
        raise BrokenFile(f'tensor "{name}" has a shape that does not fit its {end - begin} bytes')
    return begin, end


def _torch(path: Path, size: int) -> None:
    """What torch.save writes: a zip archive with a pickle in it, or (before torch 1.6) pickles in a row."""
    with path.open("rb") as file:
        beginning = file.read(len(TORCH_LEGACY))
        file.seek(-1, 2)
        last = file.read(1)
    if beginning.startswith(b"PK"):
        return _zip(path)
    if beginning == TORCH_LEGACY:
        return None
    if beginning[:2] in PICKLED and last == b".":
        return None
    raise BrokenFile(
        f"it is neither a zip archive of PyTorch nor a whole pickle (first bytes {beginning[:4].hex(' ')})"
    )


def _zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BrokenFile(f"its zip archive is cut short or broken ({error})") from error
    # torch.export's archives (.pt2) have no data.pkl.
    if path.suffix.lower() != ".pt2" and not any(name.endswith("data.pkl") for name in names):
        raise BrokenFile("it is a zip archive, but not one of PyTorch (no data.pkl in it)")


FORMATS: Mapping[str, Callable[[Path, int], None]] = {
    ".safetensors": _safetensors,
    ".sft": _safetensors,
    **dict.fromkeys((".bin", ".ckpt", ".pkl", ".pt", ".pt2", ".pth"), _torch),
}
"""Suffixes that ComfyUI loads (folder_paths.py), and who checks them."""
