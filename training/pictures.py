"""One picture of a data set: read as its maker saw it, cut to a square where most is to be seen, judged."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, ImageFilter, ImageOps, ImageStat, UnidentifiedImageError

MAX_PIXELS = 100_000_000
"""Of a picture once decoded; more is a mistake, or an attack on the memory."""
LOOK_SIDE = 128
"""Pixels of the longer side when looking for where most is to be seen."""
CENTRE_SHARE = 0.15
"""How much less an edge of the picture counts than its middle: of two equal places the middle one is taken."""
HASH_SIDE = 8
_LAPLACE = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


class NoPicture(Exception):
    """A file that can't be part of a data set, and why."""


@dataclass(frozen=True)
class Square:
    """A picture cut to a square of `side` pixels. box: left, upper, right, lower in the picture as it is seen.

    sharpness: variance of its Laplacian, 0 to some thousands. fingerprint: 64 bits, alike for pictures that look alike.
    """

    image: Image.Image
    box: tuple[int, int, int, int]
    sharpness: float
    fingerprint: int


def read(path: Path) -> Image.Image:
    """The picture upright, in sRGB, without transparency (white shows through). Raises NoPicture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise NoPicture(f"{opened.width} x {opened.height} pixels are too many")
                upright = ImageOps.exif_transpose(opened)
                upright.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NoPicture("it has too many pixels") from error
    except UnidentifiedImageError as error:
        raise NoPicture("it is no picture that can be read here; save it as JPEG, PNG or WebP") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ) as error:  # Pillow's ways to say that a file is broken
        raise NoPicture(f"the file is broken: {error}") from error
    return _flattened(_in_srgb(upright))


def _in_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture
    mode = "RGBA" if picture.mode in ("RGBA", "LA", "PA") else "RGB"
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownArgumentType]  # of a C module
        made = ImageCms.profileToProfile(picture, own, srgb, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a profile that can't be read is passed over, as browsers do
    return made or picture


def _flattened(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    paper = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(paper, seen).convert("RGB")


def square(picture: Image.Image, side: int) -> Square:
    """Cut and resize it, and look at what came of it."""
    box = where_most_is_seen(picture)
    image = picture.resize((side, side), Image.Resampling.LANCZOS, box=box)
    return Square(image, box, sharpness(image), fingerprint(image))


def where_most_is_seen(picture: Image.Image) -> tuple[int, int, int, int]:
    """The square as large as the shorter side with the most edges in it."""
    width, height = picture.size
    short = min(width, height)
    if width == height:
        return 0, 0, width, height
    is_wide = width > height
    scale = LOOK_SIDE / max(width, height)
    small = picture.convert("L").resize((max(1, round(width * scale)), max(1, round(height * scale))))
    edges = small.filter(ImageFilter.FIND_EDGES)
    # A frame of a pixel is all edge to the filter.
    edges = ImageOps.expand(ImageOps.crop(edges, 1), 1, 0) if min(edges.size) > 2 else edges
    line = edges.resize((edges.width, 1) if is_wide else (1, edges.height), Image.Resampling.BOX)
    weights = list(line.tobytes())
    window = round(short * scale)
    best = max(range(len(weights) - window + 1), key=lambda at: _seen(weights, at, window))
    start = min(round(best / scale), max(width, height) - short)
    return (start, 0, start + short, height) if is_wide else (0, start, width, start + short)


def _seen(weights: list[int], at: int, window: int) -> float:
    whole = len(weights) - window
    off_centre = abs(2 * at - whole) / whole if whole else 0.0
    # One more each: where nothing is to be seen, the middle is as good as any.
    return (sum(weights[at : at + window]) + window) * (1 - CENTRE_SHARE * off_centre)


def sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian of its brightness: a blurred picture has none of the quick changes that it measures."""
    changes = picture.convert("L").filter(_LAPLACE)
    return ImageStat.Stat(ImageOps.crop(changes, 1)).var[0]  # its frame is left as it was by the filter


def fingerprint(picture: Image.Image) -> int:
    """Whether each of 64 places is brighter than its right neighbour ("dHash"); scale, quality and a little light hardly
    change it."""
    small = picture.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(HASH_SIDE):
        for column in range(HASH_SIDE):
            at = row * (HASH_SIDE + 1) + column
            bits = bits << 1 | (small[at] > small[at + 1])
    return bits


def differ(one: int, other: int) -> int:
    """In how many of its 64 bits a fingerprint differs from another."""
    return (one ^ other).bit_count()
