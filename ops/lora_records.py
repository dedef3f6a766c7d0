"""Styles as they lie in the bucket, and how far the ML server has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

import contract
from ops.errors import code
from ops.stack import Stack
from training import shelf, sidecar
from training.shelf import Alias, AliasBroken
from training.sidecar import Sidecar, SidecarWrong

WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".pkl", ".bin")
"""What the ML server brings (model_sync.py)."""
SILENT = timedelta(minutes=15)
"""The ML server tells at least every ten minutes: after this long it sleeps, or its sync does not run."""

State = Literal["published", "synced", "offered", "left out", "not offered", "unknown"]
"""published: in the bucket; synced: on the ML server; offered: by its ComfyUI. unknown: the record has no room to name it."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A LoRA's file and its story. `fault`: why the sidecar can't be read; `note`: what there is to say of the state."""

    version: str
    style: str
    size: int
    modified: datetime
    sha256: str
    sidecar: Sidecar | None
    fault: str
    has_thumbnail: bool
    state: State
    note: str

    @property
    def number(self) -> int:
        """Of a version; 0 of a plain file."""
        named = shelf.VERSION.fullmatch(self.version)
        return int(named["number"]) if named and named["style"] == self.style else 0


@dataclass(frozen=True, kw_only=True)
class Style:
    """A style: its alias (None without one) with its ETag, and its versions, the newest first. `fault`: why the alias
    can't be read."""

    name: str
    alias: Alias | None
    etag: str | None
    fault: str
    versions: tuple[Version, ...]

    @property
    def current(self) -> Version | None:
        """What designers get."""
        if self.fault or (self.alias and self.alias.retired):
            return None
        return self.version(self.alias.version if self.alias else self.name)

    def version(self, name: str) -> Version | None:
        """The version of that name."""
        return next((one for one in self.versions if one.version == name), None)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the ML server told of its styles: when, of which listing, which ports it asked; what is wrong, by file."""

    at: datetime
    listing: str
    ports: tuple[str, ...]
    left_out: Mapping[str, str]
    not_offered: Mapping[str, str]
    more: int

    @property
    def is_silent(self) -> bool:
        """Whether it has not spoken for longer than it would while it runs."""
        return datetime.now(UTC) - self.at > SILENT


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """All styles by name, and the ML server's word (None: it has not said any yet)."""

    styles: tuple[Style, ...]
    told: Told | None


def read(stack: Stack, bucket: str) -> Shelf:
    """The bucket and the record as they are now. AwsError when they can't be read."""
    client = stack.client("s3")
    told = read_told(stack)
    there = shelf.entries(client, bucket)
    files = {
        name.removesuffix(shelf.FILE): entry for name, entry in there.items() if name.endswith(shelf.FILE)
    }

    def story(name: str) -> tuple[Sidecar | None, str]:
        return _story(client, bucket, there, name)

    def sum_of(name: str) -> str | None:
        return shelf.recorded(client, bucket, name + shelf.FILE)

    with ThreadPoolExecutor(max_workers=8) as pool:
        aliases = _aliases(client, bucket, there, pool.map)
        stories = dict(zip(files, pool.map(story, files), strict=True))
        sums = dict(zip(files, pool.map(sum_of, files), strict=True))
    same = told is not None and told.listing == fingerprint(there)
    versions: list[Version] = []
    for name, entry in files.items():
        said, fault = stories[name]
        state, note = _state(name + shelf.FILE, entry["LastModified"], told, same=same)
        versions.append(
            Version(
                version=name,
                style=style_of(name, said, aliases),
                size=entry["Size"],
                modified=entry["LastModified"],
                sha256=sums[name] or "",
                sidecar=said,
                fault=fault,
                has_thumbnail=name + shelf.THUMBNAIL in there,
                state=state,
                note=note,
            )
        )
    return Shelf(styles=tuple(_styles(versions, aliases)), told=told)


def style_of(name: str, story: Sidecar | None, aliases: Iterable[str]) -> str:
    """The style that a file is, or is a version of: what its sidecar says, if that style has an alias or the sidecar is the
    file's own (app/backend/services/shelf.js says the same)."""
    if story and story.style != name and (story.style in aliases or story.version == name):
        return story.style
    return name


def fingerprint(there: Mapping[str, Any]) -> str:
    """Of the styles in the bucket, as the ML server makes it of what it brought (model_sync.py)."""
    lines = sorted(
        f"{shelf.PREFIX}{name} {entry['ETag'].strip(chr(34))}\n"
        for name, entry in there.items()
        if _is_brought(name)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _is_brought(name: str) -> bool:
    parts = name.split("/")
    return name.lower().endswith(WEIGHTS) and not {"", ".", ".."} & {*parts} and not parts[-1].startswith(".")


def read_told(stack: Stack) -> Told | None:
    """The ML server's record; None before it has written any. AwsError when it can't be read."""
    name = contract.styles_parameter(stack.name)
    try:
        text = stack.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    except stack.client("ssm").exceptions.ParameterNotFound:
        return None  # a stack that was made before there were styles with versions
    try:
        record = json.loads(text)
        return Told(
            at=datetime.fromisoformat(record["at"]),
            listing=str(record["listing"]),
            ports=tuple(str(one) for one in record["ports"]),
            left_out=_by_file(record["leftOut"], " left out: "),
            not_offered=_by_file(record["notOffered"], " on port "),
            more=int(record.get("more", 0)),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _by_file(lines: Iterable[str], parting: str) -> dict[str, str]:
    """`loras/x.safetensors left out: why`, by the file; several lines of one are put together."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, rest = line.partition(parting)
        name = key.removeprefix(shelf.PREFIX)
        found[name] = f"{found[name]}, {rest}" if name in found else rest
    return found


def _state(file: str, modified: datetime, told: Told | None, *, same: bool) -> tuple[State, str]:
    if told is None:
        return "published", ""
    if file in told.left_out:
        return "left out", told.left_out[file]
    # With the same listing there is nothing new; with another, what is older than the record was in it.
    if not same and modified > told.at:
        return "published", ""
    if file in told.not_offered:
        return "not offered", f"by ComfyUI on port {told.not_offered[file]}"
    if told.more:
        return "unknown", f"the ML server has trouble with so many styles that it does not name {told.more}"
    return ("offered", "") if told.ports else ("synced", "")


def _aliases(
    client: Any, bucket: str, there: Mapping[str, Any], each: Callable[..., Iterable[Any]]
) -> dict[str, tuple[Alias | None, str, str]]:
    """Alias, ETag and fault by style."""

    def one(name: str) -> tuple[Alias | None, str, str]:
        try:
            found = shelf.read_alias(client, bucket, name)
        except AliasBroken as why:
            return None, str(there[name + shelf.ALIAS]["ETag"]), str(why)
        return (found[0], found[1], "") if found else (None, "", "it went away while it was read")

    names = [name.removesuffix(shelf.ALIAS) for name in there if name.endswith(shelf.ALIAS)]
    return dict(zip(names, each(one, names), strict=True))


def _story(client: Any, bucket: str, there: Mapping[str, Any], name: str) -> tuple[Sidecar | None, str]:
    """The sidecar of a file, and why it can't be read."""
    if name + shelf.SIDECAR not in there:
        return None, ""
    try:
        answer = client.get_object(Bucket=bucket, Key=f"{shelf.PREFIX}{name}{shelf.SIDECAR}")
        return sidecar.read(answer["Body"].read(sidecar.LIMIT_BYTES + 1)), ""
    except SidecarWrong as why:
        return None, str(why)
    except client.exceptions.ClientError as error:
        if code(error) == "NoSuchKey":
            return None, ""
        raise


def _styles(versions: Iterable[Version], aliases: Mapping[str, tuple[Alias | None, str, str]]) -> list[Style]:
    by_style: dict[str, list[Version]] = {name: [] for name in aliases}
    for one in versions:
        by_style.setdefault(one.style, []).append(one)
    made: list[Style] = []
    for name, own in sorted(by_style.items(), key=lambda item: item[0].lower()):
        alias, etag, fault = aliases.get(name, (None, None, ""))
        newest_first = tuple(sorted(own, key=lambda one: (one.number, one.modified), reverse=True))
        made.append(Style(name=name, alias=alias, etag=etag, fault=fault, versions=newest_first))
    return made


def as_record(style: Style) -> dict[str, Any]:
    """A style for programs."""
    current = style.current
    alias = style.alias
    return {
        "style": style.name,
        "version": current.version if current else None,
        "retired": bool(alias and alias.retired),
        "previous": list(alias.previous) if alias else [],
        "changedAt": alias.changed_at if alias else None,
        "fault": style.fault or None,
        "versions": [_version_record(one, is_current=one is current) for one in style.versions],
    }


def _version_record(one: Version, *, is_current: bool) -> dict[str, Any]:
    told = json.loads(sidecar.write(one.sidecar)) if one.sidecar else None
    return {
        "version": one.version,
        "current": is_current,
        "state": one.state,
        "note": one.note or None,
        "size": one.size,
        "sha256": one.sha256 or None,
        "publishedAt": one.modified,
        "thumbnail": one.has_thumbnail,
        "sidecar": cast(dict[str, Any] | None, told),
        "sidecarFault": one.fault or None,
    }
