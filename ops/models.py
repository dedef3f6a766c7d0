"""`ops models`: put models and LoRAs into the bucket, list them, and see that they are whole."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.progress import Progress

import contract
from ops.errors import BAD, NO_ANSWER, OpsError, is_gone
from ops.model_files import FOLDERS, BrokenFile, check
from ops.objects import Verdict, content_sha256, recorded_sha256, verdict
from ops.show import age, as_json, console, counted, lines, progress, size, table
from ops.stack import Stack
from ops.upload import Digest, digest, upload
from training import shelf

PREFIXES = {"models": contract.MODELS_PREFIX, "loras": contract.LORAS_PREFIX}
DEFAULT_FOLDER = "checkpoints"
BESIDE = (shelf.SIDECAR, shelf.THUMBNAIL)
SHOWN_SHA256 = 12
"""Hex digits shown in a table; JSON has all."""


@dataclass(frozen=True, kw_only=True)
class PushArgs:
    """What goes where. `folder` is one of ComfyUI's under models/, and none for loras."""

    files: Sequence[Path]
    to: str
    folder: str | None
    replace: bool


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model or LoRA in the bucket; `sha256` in hex, empty when nobody recorded it."""

    key: str
    size: int
    sha256: str
    modified: datetime


def push(stack: Stack, args: PushArgs, *, json: bool) -> int:
    """Upload what is not there yet. Every file is looked at before the first byte goes up."""
    keys = _keys(args)
    _check_all(args.files)
    bucket, client = stack.output("bucketName"), stack.client("s3")
    results: list[dict[str, Any]] = []
    try:
        with progress() as bars:
            digests = {path: _digest(bars, path) for path in args.files}
            missing = _missing(bars, client, bucket, keys, digests, replace=args.replace)
            for path, key in keys.items():
                if path in missing:
                    _upload(bars, client, bucket, path, key, digests[path])
                done = "uploaded" if path in missing else "already there"
                results.append(_result(path, key, digests[path], done))
    finally:  # also what went up before another file failed
        if not json:
            for one in results:
                console().print(
                    f"{one['result']}: s3://{bucket}/{one['key']} ({size(one['size'])})", soft_wrap=True
                )
    if json:
        as_json(results)
    return 0


def _result(path: Path, key: str, known: Digest, result: str) -> dict[str, Any]:
    return {"file": str(path), "key": key, "size": known.size, "sha256": known.sha256, "result": result}


def _keys(args: PushArgs) -> dict[Path, str]:
    """Where each file goes; refuses two files for one place."""
    if args.to == "loras" and args.folder:
        raise OpsError("--folder is for --to models; a LoRA goes straight into loras/", NO_ANSWER)
    if args.folder and args.folder not in FOLDERS:
        raise OpsError(f"--folder {args.folder}: not one of ComfyUI's folders: {', '.join(FOLDERS)}")
    folder = "" if args.to == "loras" else f"{args.folder or DEFAULT_FOLDER}/"
    keys = {path: f"{PREFIXES[args.to]}{folder}{path.name}" for path in args.files}
    if len(set(keys.values())) < len(args.files):
        raise OpsError("two of the files have the same name: they would overwrite each other")
    return keys


def _check_all(files: Sequence[Path]) -> None:
    faults: list[str] = []
    for path in files:
        try:
            check(path)
        except BrokenFile as error:
            faults.append(f"{path}: {error}")
    if faults:
        raise OpsError(f"nothing was uploaded, {counted(len(faults), 'file')} refused:\n{lines(faults)}", BAD)


def _digest(bars: Progress, path: Path) -> Digest:
    bar = bars.add_task(f"reading {path.name}", total=path.stat().st_size)
    try:
        return digest(path, lambda count: bars.advance(bar, count))
    except OSError as error:
        raise OpsError(f"{path}: {error.strerror or error}; nothing was uploaded", BAD) from error
    finally:
        bars.remove_task(bar)


def _missing(
    bars: Progress,
    client: Any,
    bucket: str,
    keys: dict[Path, str],
    digests: dict[Path, Digest],
    *,
    replace: bool,
) -> set[Path]:
    """Files to upload: not there yet, or other than what is there if that may be replaced."""
    missing: set[Path] = set()
    taken: list[str] = []
    for path, key in keys.items():
        head = _head(client, bucket, key)
        if head is not None and replace and _is_other_version(client, bucket, key, head, digests[path]):
            raise OpsError(
                f"nothing was uploaded: s3://{bucket}/{key} is a published version of a style, which never changes:"
                f" `python -m ops loras publish {path} --style …` makes the next one",
                BAD,
            )
        if head is not None and replace and not recorded_sha256(head):
            missing.add(path)  # also the same content: uploading it records its SHA-256
            continue
        if head is not None and _same(bars, client, bucket, key, head, digests[path]):
            continue
        missing.add(path)
        if head is not None:
            taken.append(f"{path}: another file is at s3://{bucket}/{key} ({size(head['ContentLength'])})")
    if taken and not replace:
        raise OpsError(
            f"nothing was uploaded, {counted(len(taken), 'name')} taken:\n{lines(taken)}\n"
            "Give the file another name, or --replace (the bucket keeps the old version for a while)",
            BAD,
        )
    return missing


def _is_other_version(client: Any, bucket: str, key: str, head: Any, known: Digest) -> bool:
    """Whether a published version of a style with other bytes is there: its sidecar lies beside it."""
    name = key.removeprefix(contract.LORAS_PREFIX).removesuffix(shelf.FILE)
    if not key.startswith(contract.LORAS_PREFIX) or not shelf.VERSION.fullmatch(name):
        return False
    beside = _head(client, bucket, f"{contract.LORAS_PREFIX}{name}{shelf.SIDECAR}")
    return beside is not None and recorded_sha256(head) != known.sha256


def _head(client: Any, bucket: str, key: str) -> Any | None:
    try:
        return client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _same(bars: Progress, client: Any, bucket: str, key: str, head: Any, known: Digest) -> bool:
    """Whether the object is this file. Where nobody recorded its SHA-256, it is read."""
    if head["ContentLength"] != known.size:
        return False
    if recorded := recorded_sha256(head):
        return recorded == known.sha256
    bar = bars.add_task(f"comparing {Path(key).name}", total=known.size)
    try:
        return content_sha256(client, bucket, key, lambda count: bars.advance(bar, count)) == known.sha256
    finally:
        bars.remove_task(bar)


def _upload(bars: Progress, client: Any, bucket: str, path: Path, key: str, known: Digest) -> None:
    bar = bars.add_task(f"uploading {path.name}", total=known.size)
    try:
        upload(client, path, bucket, key, known, lambda count: bars.advance(bar, count))
    finally:
        bars.remove_task(bar)


def show(stack: Stack, *, json: bool) -> int:
    """List models and LoRAs."""
    # What lies beside a style's file (sidecar, thumbnail, alias) is `ops loras list`'s to tell.
    found = [model for model in read(stack, stack.output("bucketName")) if not model.key.endswith(BESIDE)]
    if json:
        as_json([vars(model) for model in found])
        return 0
    if not found:
        console().print("No models and no LoRAs yet: `python -m ops models push FILE…` brings one")
        return 0
    rows = table("File", "Size", "SHA-256", "Age")
    for folder, models in _by_folder(found):
        rows.add_row(folder)
        for model in models:
            recorded = model.sha256[:SHOWN_SHA256] or "not recorded"
            rows.add_row(f" {_name(model.key)}", size(model.size), recorded, age(model.modified))
    _narrow(rows)
    console().print(rows)
    console().print(f"\n{counted(len(found), 'file')}, {size(sum(model.size for model in found))}")
    return 0


def read(stack: Stack, bucket: str) -> list[Model]:
    """All models and LoRAs in the bucket, by name."""
    client = stack.client("s3")
    entries: list[Any] = []
    for prefix in PREFIXES.values():
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            # Consoles make `folder/` objects of no bytes.
            entries += [entry for entry in page.get("Contents", []) if not entry["Key"].endswith("/")]

    def model(entry: Any) -> Model | None:
        head = _head(client, bucket, entry["Key"])
        if head is None:  # deleted since it was listed
            return None
        return Model(
            key=entry["Key"],
            size=entry["Size"],
            sha256=recorded_sha256(head),
            modified=entry["LastModified"],
        )

    with ThreadPoolExecutor(max_workers=8) as pool:
        return [found for found in pool.map(model, entries) if found]


def verify(stack: Stack, *, json: bool) -> int:
    """Read every model and LoRA back and compare; exit status 1 unless all are whole."""
    bucket, client = stack.output("bucketName"), stack.client("s3")
    found = read(stack, bucket)
    verdicts: list[Verdict] = []
    with progress() as bars:
        bar = bars.add_task("verifying", total=sum(model.size for model in found))
        for model in found:
            bars.update(bar, description=f"verifying {_name(model.key)}")
            verdicts.append(
                verdict(client, bucket, model.key, model.sha256, lambda count: bars.advance(bar, count))
            )
    if json:
        as_json([vars(one) for one in verdicts])
    else:
        _show_verdicts(verdicts)
    return BAD if any(one.state != "whole" for one in verdicts) else 0


def _show_verdicts(verdicts: Sequence[Verdict]) -> None:
    styles = {"whole": "green", "broken": "bold red", "unknown": "yellow"}
    out = console()
    for one in verdicts:
        why = f"\n        {one.why}" if one.why else ""
        out.print(f"{one.state:8}{one.key}{why}", style=styles[one.state], soft_wrap=True)
    counts = {state: sum(one.state == state for one in verdicts) for state in styles}
    out.print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts["broken"]:
        out.print("Broken: push the right file again with --replace", style="bold red")
    if counts["unknown"]:
        out.print("Unknown: push the file again with --replace, which records its SHA-256", style="yellow")


def _by_folder(found: Sequence[Model]) -> Iterator[tuple[str, list[Model]]]:
    folders: dict[str, list[Model]] = {}
    for model in found:
        folders.setdefault(model.key[: -len(_name(model.key))], []).append(model)
    yield from folders.items()


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _narrow(rows: Any) -> None:
    """Names alone may wrap; figures stand to the right."""
    for column in rows.columns[1:]:
        column.no_wrap = True
    rows.columns[1].justify = rows.columns[3].justify = "right"
