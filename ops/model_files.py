"""Is a file what its name says? Read without running anything in it: a pickle is never loaded."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from training.lora import BrokenFile, read_header

__all__ = ("FOLDERS", "FORMATS", "BrokenFile", "check")

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
    read_header(path)


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
