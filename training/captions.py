"""A sentence for each picture of a data set: written by BLIP, put into anybody's words, kept beside the picture as `.txt`.

    from training.captions import CaptionArgs, caption, save_table
    caption(CaptionArgs(target=Path("dataset"), trigger="studiostyle"))   # dataset/images/*.txt, dataset/captions.csv
    save_table(Path("dataset"))                                            # after captions.csv was edited

What somebody wrote is never overwritten: the machine's own words are kept in `captions.json` by the picture's SHA-256, and
a caption that differs from them is somebody's.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from PIL import Image

from training.device import free_memory
from training.faults import CaptionsRefused
from training.prepare import CAPTION, IMAGES

BLIP = "Salesforce/blip-image-captioning-large"
"""BLIP for captions as its makers published it, 1.9 GB."""
RECORD, TABLE = "captions.json", "captions.csv"
COLUMNS = ("picture", "caption", "by")
MACHINE, PERSON = "machine", "person"
LONGEST_TRIGGER = 32
_COMMON = """
a an and armchair bathroom bed bedroom black blue bright chair classic colour cosy dark decor design dining floor green grey
home house in indoor interior interiors kitchen lamp light living livingroom lounge luxury minimal modern nordic of office on
photo photograph picture plant red room rooms rug rustic scandinavian sofa space studio style table the vintage wall walls
warm white window with wood wooden yellow
"""
COMMON = frozenset(_COMMON.split())
"""Words that Stable Diffusion has a strong idea of: a style taught under one of them is blended with it, and colours
every picture whose text has the word."""


@dataclass(frozen=True, kw_only=True)
class CaptionArgs:
    """target: of the data set, as `prepare` made it. trigger: the word that calls the style, put before each caption.

    model: BLIP's name on the hub, or a folder that has it. batch: pictures at a time. beams: sentences that are followed
    at once, of which the best is taken (1: quicker and poorer). longest: of a caption, in tokens.
    """

    target: Path
    trigger: str
    model: str = BLIP
    batch: int = 8
    beams: int = 3
    longest: int = 60


@dataclass(frozen=True)
class Row:
    """A picture's caption. picture: file name. by: `machine` or `person`."""

    picture: str
    caption: str
    by: str


class Captioner(Protocol):
    """Sentences for pictures, in their order, without the trigger word."""

    def __call__(self, pictures: list[Image.Image], /) -> list[str]: ...


def trigger_fault(trigger: str) -> str | None:
    """Why this is no word to call a style by, or None."""
    if not trigger:
        return "a style needs a trigger word: one that means nothing yet, such as `studioverde`"
    if any(letter.isspace() for letter in trigger):
        return f"the trigger word {trigger!r} has spaces: write it as one word, such as {''.join(trigger.split()).lower()!r}"
    if not (trigger.isascii() and trigger.replace("_", "").isalnum()):
        return (
            f"the trigger word {trigger!r}: letters, digits and _ only, for captions are cut at other signs"
        )
    if len(trigger) > LONGEST_TRIGGER:
        return f"the trigger word {trigger!r} is too long: {LONGEST_TRIGGER} letters at most"
    if len(trigger) < 3 or trigger.lower() in COMMON:
        return f"the trigger word {trigger!r} is too common: it already means something to the model; take a made-up word"
    return None


def caption(
    args: CaptionArgs, say: Callable[[str], object] = print, captioner: Captioner | None = None
) -> list[Row]:
    """Write the captions that are missing, or the machine's own with another trigger word. Raises CaptionsRefused.

    captioner: in BLIP's place. It is loaded only when a picture has no words yet.
    """
    fault = trigger_fault(args.trigger)
    if fault:
        raise CaptionsRefused(fault)
    pictures = pictures_of(args.target)
    record = _Record(args.target)
    new = [one for one in pictures if not one.with_suffix(CAPTION).is_file() and record.words(one) is None]
    if new:
        write = captioner or blip(args, say)
        for start in range(0, len(new), args.batch):
            some = new[start : start + args.batch]
            for one, words in zip(some, write([_opened(path) for path in some]), strict=True):
                record.keep(one, words, "")
            record.save()
            say(f"captions: {min(start + args.batch, len(new))} of {len(new)}")
        del write
        free_memory()
    _write(pictures, record, args.trigger)
    record.save()
    rows = table(args.target)
    for row in rows:
        if not starts_with(row.caption, args.trigger):
            say(f"{row.picture}: somebody's caption has no {args.trigger!r} at its start: {row.caption!r}")
    write_table(args.target, rows)
    by_hand = sum(row.by == PERSON for row in rows)
    say(f"{len(rows)} captions in {args.target / IMAGES}, {by_hand} of them somebody's: edit them in {TABLE}")
    return rows


def _write(pictures: list[Path], record: _Record, trigger: str) -> None:
    """The machine's words under this trigger, where nobody wrote others."""
    for one in pictures:
        place, words = one.with_suffix(CAPTION), record.words(one)
        if words is None or (place.is_file() and not record.is_own(one, _text(place))):
            continue
        text = f"{trigger}, {words}" if words else trigger
        record.keep(one, words, text)
        record.save()  # first: cut off between the two, the caption is still known as the machine's
        place.write_text(text + "\n")


def starts_with(text: str, trigger: str) -> bool:
    """Whether the caption's first part is the trigger word."""
    return text.split(",", 1)[0].strip() == trigger


def pictures_of(target: Path) -> list[Path]:
    """The set's pictures by name. Raises CaptionsRefused when there are none."""
    found = sorted((target / IMAGES).glob("*.png"))
    if not found:
        raise CaptionsRefused(f"{target / IMAGES} has no pictures: prepare the set first")
    return found


def table(target: Path) -> list[Row]:
    """Each picture of the set with the caption that stands beside it; an empty one where there is none."""
    record = _Record(target)
    rows: list[Row] = []
    for one in pictures_of(target):
        text = _text(one.with_suffix(CAPTION))
        rows.append(Row(one.name, text, MACHINE if not text or record.is_own(one, text) else PERSON))
    return rows


def write_table(target: Path, rows: list[Row]) -> Path:
    """`captions.csv`: opens in any table editor."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.picture, row.caption, row.by) for row in rows)
    place = target / TABLE
    place.write_text(text.getvalue(), encoding="utf-8")
    return place


def save_table(target: Path, say: Callable[[str], object] = print) -> list[str]:
    """Take the captions from `captions.csv`; the names of the pictures whose caption changed. Raises CaptionsRefused."""
    place = target / TABLE
    if not place.is_file():
        raise CaptionsRefused(f"{place} isn't there: caption the set first")
    try:
        lines = list(csv.DictReader(io.StringIO(place.read_text(encoding="utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CaptionsRefused(f"{place} can't be read: save it as CSV in UTF-8 ({error})") from error
    if not lines or not {"picture", "caption"} <= set(lines[0]):
        raise CaptionsRefused(f"{place} needs the columns picture and caption, with commas between them")
    captions = {str(line["picture"]): str(line["caption"] or "") for line in lines}
    changed = save_captions(target, captions)
    say(f"{len(changed)} captions changed")
    return changed


def save_captions(target: Path, captions: dict[str, str]) -> list[str]:
    """Write these captions beside their pictures, all or none. Raises CaptionsRefused."""
    there = {one.name: one for one in pictures_of(target)}
    tidy = {name: " ".join(text.split()) for name, text in captions.items()}
    for name, text in tidy.items():
        if name not in there:
            raise CaptionsRefused(f"{name} is no picture of {target / IMAGES}; nothing was changed")
        if not text:
            raise CaptionsRefused(f"{name} has an empty caption; nothing was changed")
    changed = [name for name, text in tidy.items() if _text(there[name].with_suffix(CAPTION)) != text]
    for name in changed:
        there[name].with_suffix(CAPTION).write_text(tidy[name] + "\n", encoding="utf-8")
    write_table(target, table(target))
    return changed


def _text(place: Path) -> str:
    return place.read_text(encoding="utf-8", errors="replace").strip() if place.is_file() else ""


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


class _Record:
    """`captions.json`: what the machine wrote, by the picture's SHA-256: `{"words": without the trigger, "text": all}`."""

    def __init__(self, target: Path) -> None:
        self._place = target / RECORD
        self._kept: dict[str, dict[str, str]] = {}
        if self._place.is_file():
            try:
                self._kept = cast(dict[str, dict[str, str]], json.loads(self._place.read_text()))
            except ValueError:
                self._kept = {}  # then each caption there is counts as somebody's

    def words(self, picture: Path) -> str | None:
        return self._kept.get(_sha256(picture), {}).get("words")

    def is_own(self, picture: Path, text: str) -> bool:
        return self._kept.get(_sha256(picture), {}).get("text") == text

    def keep(self, picture: Path, words: str, text: str) -> None:
        self._kept[_sha256(picture)] = {"words": words, "text": text}

    def save(self) -> None:
        new = self._place.with_suffix(".new")
        new.write_text(json.dumps(self._kept, indent=1) + "\n")
        new.replace(self._place)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def blip(args: CaptionArgs, say: Callable[[str], object] = print) -> Captioner:
    """BLIP on the GPU in half precision, or on the CPU in whole. Raises CaptionsRefused when its weights can't be had."""
    from importlib import import_module  # ten seconds to import: only when it is needed

    torch, transformers = import_module("torch"), import_module("transformers")
    on_gpu = bool(torch.cuda.is_available())
    device, kind = ("cuda", torch.float16) if on_gpu else ("cpu", torch.float32)
    say(f"captions: BLIP {args.model} on the {'GPU' if on_gpu else 'CPU'}")
    try:
        processor: Any = transformers.BlipProcessor.from_pretrained(args.model, use_fast=False)
        model: Any = transformers.BlipForConditionalGeneration.from_pretrained(args.model, torch_dtype=kind)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CaptionsRefused(
            f"BLIP {args.model} can't be had: {first}. Is the network there? A folder that has it can be named in its place"
        ) from error
    model.to(device).eval()

    def write(pictures: list[Image.Image], /) -> list[str]:
        with torch.no_grad():
            given = processor(images=pictures, return_tensors="pt").to(device, kind)
            made = model.generate(**given, num_beams=args.beams, max_new_tokens=args.longest)
        return [" ".join(text.split()) for text in processor.batch_decode(made, skip_special_tokens=True)]

    return write
