"""Writes pictures as PNG files, under ComfyUI's names: `prefix_00001_.png`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, PngImagePlugin

COMPRESSION = 1
"""Of 9; ComfyUI takes 4. What is saved here is saved often and kept for a short while."""


@dataclass(kw_only=True)
class _Seen:
    """A directory as it was after our last look or write."""

    modified_ns: int
    counter: int


@dataclass(kw_only=True)
class PictureFolder:
    """The output or the temp directory."""

    directory: Path
    kind: str
    """How ComfyUI calls it in its answers."""
    _seen: dict[tuple[Path, str], _Seen] = field(default_factory=dict[tuple[Path, str], _Seen])

    def save(
        self, images: tuple[Image.Image, ...], prefix: str, texts: Mapping[str, str]
    ) -> list[dict[str, str]]:
        """Save pictures under the next free numbers; how ComfyUI tells of them.

        `texts` go into the files. Raises Exception, in ComfyUI's words, for a prefix that leads out of the directory.
        """
        width, height = images[0].size
        prefix = os.path.normpath(_filled(prefix, width, height))
        subfolder, name = os.path.split(prefix)
        folder = self.directory / subfolder
        self._refuse_outside(folder)
        folder.mkdir(parents=True, exist_ok=True)
        counter = self._next(folder, name)
        saved: list[dict[str, str]] = []
        info = PngImagePlugin.PngInfo()
        for key, text in texts.items():
            info.add_text(key, text)
        for number, image in enumerate(images):
            file = f"{name.replace('%batch_num%', str(number))}_{counter:05}_.png"
            image.save(folder / file, pnginfo=info, compress_level=COMPRESSION)
            saved.append({"filename": file, "subfolder": subfolder, "type": self.kind})
            counter += 1
        self._seen[folder, name] = _Seen(modified_ns=folder.stat().st_mtime_ns, counter=counter)
        return saved

    def _refuse_outside(self, folder: Path) -> None:
        inside, wanted = os.path.abspath(self.directory), os.path.abspath(folder)
        common = os.path.commonpath((inside, wanted))
        if common != inside:
            raise Exception(
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {wanted}\n         output_dir: {inside}\n         commonpath: {common}"
            )

    def _next(self, folder: Path, name: str) -> int:
        """The number after the highest one there; a folder that only we have written to isn't read again."""
        seen = self._seen.get((folder, name))
        if seen is not None and seen.modified_ns == folder.stat().st_mtime_ns:
            return seen.counter
        numbers = [_number(entry, name) for entry in os.listdir(folder) if entry.startswith(f"{name}_")]
        return max(numbers, default=0) + 1


def _number(file: str, name: str) -> int:
    digits = file[len(name) + 1 :].split("_")[0]
    try:
        return int(digits)
    except ValueError:
        return 0


def _filled(prefix: str, width: int, height: int) -> str:
    """The prefix with the size and the time filled in."""
    if "%" not in prefix:
        return prefix
    now = time.localtime()
    filled = {
        "width": str(width),
        "height": str(height),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for key, value in filled.items():
        prefix = prefix.replace(f"%{key}%", value)
    return prefix
