"""A trained LoRA goes out as the next version of its style: whole, with its story and its thumbnail, or not at all.

    from training.publish import PublishArgs, publish
    published = publish(boto3.client("s3"), bucket, PublishArgs(file=Path("indochine.safetensors"), style="Indochine"))

Thumbnail, sidecar, file, alias, in this order and each under the condition that nobody else took the place: cut off
anywhere, no style has changed (docs/decisions/0017).
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from training import shelf, sidecar
from training.lora import SD_15, Lora, read_lora
from training.pictures import NoPicture, read, square
from training.shelf import Alias, Taken, read_alias, write_alias
from training.sidecar import BaseModel, Made, Sidecar

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
THUMBNAIL_SIDE = 512
TRIES = 5
"""Numbers that may be lost to others who publish the same style right now."""
READ_BYTES = 1 << 20


class PublishRefused(Exception):
    """Nothing was published; the message says what to change."""


class NotPromoted(Exception):
    """The version is published; that designers get it is not done."""


@dataclass(frozen=True, kw_only=True)
class PublishArgs:
    """A LoRA and what is to be told of it. title: the style's name if empty. trigger_word: the server puts it before the
    prompt. thumbnail: any picture. promote: designers get it at once, also when the style has another version already."""

    file: Path
    style: str
    title: str = ""
    trigger_word: str = ""
    recommended_strength: float | None = None
    thumbnail: Path | None = None
    promote: bool = False
    made: Made = field(default_factory=Made)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What came of it. `before` is the version that designers had (empty: none); `current` the one they get now;
    `already`: these very bytes had been published before."""

    style: str
    version: str
    sha256: str
    size: int
    current: str
    before: str
    retired: bool
    already: bool = False


def publish(client: Any, bucket: str, args: PublishArgs) -> Published:
    """Publish the file. Raises BrokenFile, LoraRefused, PublishRefused: nothing was published; NotPromoted: all but the
    alias."""
    _check_words(args)
    lora = read_lora(args.file, SD_15)
    picture = thumbnail(args.thumbnail) if args.thumbnail else None
    sha256 = _digest(args.file)
    there = shelf.entries(client, bucket)
    # To a role that lists by prefix, as the notebook's, S3 says 403 of what isn't there: only what is there is asked for.
    alias = read_alias(client, bucket, args.style) if f"{args.style}{shelf.ALIAS}" in there else None
    _check_name(args.style, there, has_alias=alias is not None)
    version = _published_before(client, bucket, there, args.style, sha256)
    already = version is not None
    if version is None:
        told = _sidecar(args, lora, sha256)
        version = _put_version(client, bucket, args.file, told, picture, shelf.next_number(there, args.style))
    return _point(client, bucket, args, version, alias, sha256, already=already)


def thumbnail(path: Path) -> bytes:
    """JPEG of 512 x 512 of any picture. Raises PublishRefused."""
    try:
        image = square(read(path), THUMBNAIL_SIDE).image
    except NoPicture as error:
        raise PublishRefused(f"thumbnail {path}: {error}") from error
    made = io.BytesIO()
    Image.Image.save(image, made, "JPEG", quality=88, optimize=True)
    return made.getvalue()


def _check_words(args: PublishArgs) -> None:
    if not NAME.fullmatch(args.style):
        raise PublishRefused(
            f'"{args.style}" is no name for a style: 1 to 60 of the letters A to Z, digits, - and _, a letter or digit'
            " first; the title may be any text"
        )
    if shelf.VERSION.fullmatch(args.style):
        raise PublishRefused(
            f'"{args.style}" ends as a version does: leave that off, the next number is given'
        )
    least, most = sidecar.STRENGTHS
    strength = args.recommended_strength
    if strength is not None and not least < strength <= most:
        raise PublishRefused(
            f"recommended strength {strength:g}: above {least:g} and up to {most:g} are allowed"
        )
    for what, words, longest in (("title", args.title, 80), ("trigger word", args.trigger_word, 200)):
        if len(words) > longest or not words.isprintable():
            raise PublishRefused(f"the {what} has more than {longest} characters, or unprintable ones")


def _check_name(style: str, there: Mapping[str, Any], *, has_alias: bool) -> None:
    """Refuse a name that is a file's already, or that differs from another style's by capitals alone."""
    if f"{style}{shelf.FILE}" in there and not has_alias:
        raise PublishRefused(
            f"the name {style} is taken by the file {shelf.PREFIX}{style}{shelf.FILE}, which has no versions: choose"
            f" another, or make it a version of the style with `python -m ops loras promote {style}`"
        )
    for name in there:
        known = shelf.VERSION.match(name)
        one = name.removesuffix(shelf.ALIAS).removesuffix(shelf.FILE) if not known else known["style"]
        if one != style and one.lower() == style.lower():
            raise PublishRefused(f"there is a style {one}, and {style} differs from it by capitals alone")


def _published_before(
    client: Any, bucket: str, there: Mapping[str, Any], style: str, sha256: str
) -> str | None:
    """The version of the style that has these very bytes: somebody repeats a command that was cut off."""
    for name in sorted(there):
        version = name.removesuffix(shelf.FILE)
        known = shelf.VERSION.fullmatch(version) if name.endswith(shelf.FILE) else None
        if known and known["style"] == style and shelf.recorded(client, bucket, name) == sha256:
            return version
    return None


def _sidecar(args: PublishArgs, lora: Lora, sha256: str) -> Sidecar:
    return Sidecar(
        style=args.style,
        version="",
        title=args.title or args.style,
        trigger_word=args.trigger_word,
        recommended_strength=args.recommended_strength,
        sha256=sha256,
        published_at=shelf.now(),
        made=_completed(args.made, lora),
    )


def _completed(made: Made, lora: Lora) -> Made:
    """What nobody told, as far as the trainer wrote it into the file."""
    told = lora.metadata
    base = told.get("ss_sd_model_name", "")
    sha256 = told.get("ss_new_sd_model_hash", "")
    known = BaseModel(name=base, sha256=sha256 if sidecar.SHA256.fullmatch(sha256) else "") if base else None
    return replace(
        made,
        base=made.base or known,
        steps=made.steps if made.steps is not None else _count(told.get("ss_steps")),
        epochs=made.epochs if made.epochs is not None else _count(told.get("ss_epoch")),
    )


def _count(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else None


def _put_version(
    client: Any, bucket: str, file: Path, told: Sidecar, picture: bytes | None, number: int
) -> str:
    """Thumbnail, sidecar, file under the next number that nobody else takes; the version's name."""
    nobody = {"IfNoneMatch": "*"}
    for at in range(number, number + TRIES):
        version = f"{told.style}-v{at}"
        mine = replace(told, version=version, thumbnail=f"{version}{shelf.THUMBNAIL}" if picture else "")
        try:
            if picture:
                shelf.put(client, bucket, mine.thumbnail, picture, "image/jpeg", nobody)
            text = sidecar.write(mine).encode()
            shelf.put(client, bucket, f"{version}{shelf.SIDECAR}", text, "application/json", nobody)
            _put_file(client, bucket, version, file, told.sha256)
        except Taken:
            continue
        return version
    raise PublishRefused(f"others publish {told.style} right now: {TRIES} numbers were taken; try again")


def _put_file(client: Any, bucket: str, version: str, file: Path, sha256: str) -> None:
    """S3 itself compares the checksum, and takes no file that changed since it was read. Raises Taken."""
    request = {
        "ContentType": "application/octet-stream",
        "Metadata": {shelf.SHA256_KEY: sha256},
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        "IfNoneMatch": "*",
    }
    with file.open("rb") as body:
        shelf.put_once(client, bucket, f"{version}{shelf.FILE}", sha256, {**request, "Body": body})


def _point(
    client: Any,
    bucket: str,
    args: PublishArgs,
    version: str,
    found: tuple[Alias, str] | None,
    sha256: str,
    *,
    already: bool,
) -> Published:
    """The alias, where it is to change: for the first version, or when asked for."""
    alias, etag = found or (None, None)
    wanted = alias
    if alias is None:
        wanted = Alias(style=args.style, version=version)
    elif args.promote and (alias.version != version or alias.retired):
        wanted = alias.promoted(version)
    assert wanted is not None
    if wanted != alias:
        try:
            write_alias(client, bucket, wanted, etag)
        except Taken as error:
            raise NotPromoted(
                f"{version} is published, but somebody else changed the style {args.style} meanwhile: look with"
                f" `python -m ops loras list`, then `python -m ops loras promote {version}`"
            ) from error
    return Published(
        style=args.style,
        version=version,
        sha256=sha256,
        size=args.file.stat().st_size,
        current=wanted.version,
        before=alias.version if alias else "",
        retired=wanted.retired,
        already=already,
    )


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            found.update(block)
    return found.hexdigest()
