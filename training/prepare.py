"""Any pictures in, a data set of squares out: `dataset/images/*.png`, a contact sheet, and a report of what became of each.

    from training.prepare import PrepareArgs, prepare
    prepared = prepare(PrepareArgs(source=Path("photos"), target=Path("dataset")))

What can't be used is set aside with its reason, never silently. It may be run again, over more pictures: the old set stays
until the new one is whole, and captions of pictures that are the same stay with them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from training.pictures import NoPicture, Square, differ, read, square

SIDE = 512
"""Stable Diffusion 1.5 was trained on squares of this side."""
FEWEST = 8
"""Fewer teach a LoRA the pictures, not their style. 15 to 50 are good."""
IMAGES, REPORT, SHEET = "images", "report.json", "contact-sheet.jpg"
LEFT_OVER = "captions-left-over"
"""Folder for captions whose pictures are in the set no more: somebody wrote them."""
CAPTION = ".txt"
THUMBNAIL, ACROSS, GAP = 128, 8, 4


class SetRefused(Exception):
    """Nothing was written; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class PrepareArgs:
    """source: a folder, looked at with its folders. target: of the data set; its `images` are made anew.

    least_side: of a picture's shorter side, in pixels; below it would be blown up. blurred: sharpness under which one is
    set aside (0: none). alike: bits of 64 in which two pictures may differ and still count as the same (-1: none do).
    """

    source: Path
    target: Path
    side: int = SIDE
    least_side: int = SIDE
    blurred: float = 40.0
    alike: int = 3
    fewest: int = FEWEST


@dataclass(frozen=True)
class Kept:
    """A picture of the set: its name, where it came from, what was cut out of that, its SHA-256."""

    name: str
    source: str
    box: tuple[int, int, int, int]
    sharpness: float
    sha256: str


@dataclass(frozen=True)
class Aside:
    """A file that was left out."""

    source: str
    reason: str


@dataclass
class Prepared:
    """What became of each file. sha256: of the whole set, the same for the same pictures under the same names."""

    kept: list[Kept] = field(default_factory=list[Kept])
    aside: list[Aside] = field(default_factory=list[Aside])
    sha256: str = ""


def prepare(args: PrepareArgs, say: Callable[[str], object] = print) -> Prepared:
    """Make the data set. Raises SetRefused when too few pictures are left, or the folders are no good."""
    files = _files(args)
    _bring_back(args.target)
    draft = args.target / f"{IMAGES}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        prepared = _fill(draft, files, args, say)
        if len(prepared.kept) < args.fewest:
            raise SetRefused(_too_few(prepared, args))
        _keep_captions(prepared, draft, args.target)
        _contact_sheet(prepared, draft).save(args.target / f"{SHEET}.new", "JPEG", quality=85)
        _swap(draft, prepared, args.target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say(f"{len(prepared.kept)} pictures in {args.target / IMAGES}, {len(prepared.aside)} set aside: {REPORT}")
    return prepared


def _bring_back(target: Path) -> None:
    """The set before, which a power cut in the middle of the change had put aside."""
    images, old = target / IMAGES, target / f"{IMAGES}.old"
    if old.is_dir() and not images.exists():
        old.rename(images)


def _files(args: PrepareArgs) -> list[Path]:
    if not args.source.is_dir():
        raise SetRefused(f"{args.source} is no folder: name the one that holds the pictures")
    target = args.target.resolve()
    found = [
        path
        for path in sorted(args.source.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(args.source).parts)
        and target not in path.resolve().parents
    ]
    if not found:
        raise SetRefused(f"{args.source} holds no files: copy the pictures there (JPEG, PNG or WebP)")
    return found


def _fill(draft: Path, files: Iterable[Path], args: PrepareArgs, say: Callable[[str], object]) -> Prepared:
    prepared, seen, names = Prepared(), dict[str, int](), set[str]()
    for path in files:
        source = str(path.relative_to(args.source))
        try:
            made = _judged(path, args, seen)
        except NoPicture as why:
            say(f"set aside: {source}: {why}")
            prepared.aside.append(Aside(source, str(why)))
            continue
        seen[source] = made.fingerprint
        name = _name(path, names)
        made.image.save(draft / name, "PNG")
        digest = hashlib.sha256((draft / name).read_bytes()).hexdigest()
        prepared.kept.append(Kept(name, source, made.box, round(made.sharpness, 1), digest))
    listed = "".join(f"{one.sha256}  {one.name}\n" for one in sorted(prepared.kept, key=lambda one: one.name))
    prepared.sha256 = hashlib.sha256(listed.encode()).hexdigest()
    return prepared


def _judged(path: Path, args: PrepareArgs, seen: dict[str, int]) -> Square:
    picture = read(path)
    if min(picture.size) < args.least_side:
        raise NoPicture(
            f"too small: {picture.width} x {picture.height} pixels; at least {args.least_side} on the shorter side"
        )
    made = square(picture, args.side)
    if made.sharpness < args.blurred:
        raise NoPicture(f"blurred: sharpness {made.sharpness:.0f}, at least {args.blurred:g}")
    for other, fingerprint in seen.items():
        if differ(made.fingerprint, fingerprint) <= args.alike:
            raise NoPicture(f"the same picture as {other}")
    return made


def _name(path: Path, taken: set[str]) -> str:
    """A name that kohya's scripts and shells take without trouble; a second of it gets a number."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.stem)
    plain, number = plain.strip("-").lower() or "picture", 2
    name = f"{plain}.png"
    while name in taken:
        name, number = f"{plain}-{number}.png", number + 1
    taken.add(name)
    return name


def _too_few(prepared: Prepared, args: PrepareArgs) -> str:
    shown = "".join(f"\n  {one.source}: {one.reason}" for one in prepared.aside[:20])
    more = f"\n  and {len(prepared.aside) - 20} more" if len(prepared.aside) > 20 else ""
    return (
        f"{len(prepared.kept)} usable pictures in {args.source}, and a style needs at least {args.fewest} (15 to 50 are good)"
        + (f"; set aside:{shown}{more}" if shown else "")
    )


def _keep_captions(prepared: Prepared, draft: Path, target: Path) -> None:
    """A caption that somebody wrote belongs to its picture, whatever that is called now."""
    images = target / IMAGES
    names = {one.sha256: one.name for one in prepared.kept}
    for caption in sorted(images.glob(f"*{CAPTION}")):
        picture = caption.with_suffix(".png")
        # By the picture's own bytes: a report may be of another set than the images, after a power cut.
        name = names.get(hashlib.sha256(picture.read_bytes()).hexdigest()) if picture.is_file() else None
        place = (draft / name).with_suffix(CAPTION) if name else _free(target / LEFT_OVER / caption.name)
        place.parent.mkdir(exist_ok=True)
        shutil.copy2(caption, place)


def _free(path: Path) -> Path:
    """The path, or with a number when it is taken."""
    number, free = 2, path
    while free.exists():
        number, free = number + 1, path.with_stem(f"{path.stem}-{number}")
    return free


def _contact_sheet(prepared: Prepared, draft: Path) -> Image.Image:
    """All pictures of the set, small, in the order of the report."""
    rows = -(-len(prepared.kept) // ACROSS)
    step = THUMBNAIL + GAP
    sheet = Image.new("RGB", (ACROSS * step + GAP, rows * step + GAP), "white")
    for at, one in enumerate(prepared.kept):
        with Image.open(draft / one.name) as picture:
            small = ImageOps.fit(picture, (THUMBNAIL, THUMBNAIL))
        sheet.paste(small, (GAP + at % ACROSS * step, GAP + at // ACROSS * step))
    return sheet


def _swap(draft: Path, prepared: Prepared, target: Path) -> None:
    """The new set in place of the old one; a power cut between the two leaves one of them whole."""
    images, old = target / IMAGES, target / f"{IMAGES}.old"
    shutil.rmtree(old, ignore_errors=True)
    if images.exists():
        images.rename(old)
    draft.rename(images)
    (target / f"{SHEET}.new").replace(target / SHEET)
    new = target / f"{REPORT}.new"
    new.write_text(json.dumps(asdict(prepared), indent=2) + "\n")
    new.replace(target / REPORT)
    shutil.rmtree(old, ignore_errors=True)
