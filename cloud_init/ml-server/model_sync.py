"""Brings the models and styles of the bucket to this machine: in parallel, only what changed, each file whole and with
the right checksum or not at all; then asks ComfyUI whether it offers them, and tells of the styles in a parameter, which
`ops loras list` reads.

`models/<folder>/<name>` goes to ComfyUI's <folder> (`models/<name>` to checkpoints), `loras/<name>` to loras; what is no
model file (sidecars, aliases, thumbnails) stays in the bucket. Exits 1 when a file had to be left out; the timer tries it
again.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path("/var/lib/comfyui/models")
RUN = Path("/run/sd-app")
PARALLEL_FILES = 4
TRANSFER = TransferConfig(multipart_chunksize=32 << 20, max_concurrency=8)
MANIFEST = ".sd-app.json"
"""What lies here, by ETag: a file that is not in it is not ours, and stays."""
SPARE_BYTES = 2 << 30
OFFERED_SECONDS = 20
COMFYUI_FOLDERS = ("checkpoints/", "loras/")
"""Of these the designer chooses by name."""
WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".pkl", ".bin")
"""What ComfyUI loads (folder_paths.py)."""
TOLD_SECONDS = 600
"""The record of the styles is written as often even when nothing changed: it also says that the sync still runs."""
TOLD_BYTES = 4000
"""SSM takes 4,096 (docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html)."""


class LeftOut(Exception):
    """A file that could not be brought here, and why."""

    pass  # the docstring does not travel (render.py)


@dataclass(frozen=True)
class Remote:
    """An object of the bucket, and its place under ROOT."""

    key: str
    place: str
    size: int
    etag: str


def place(key: str) -> str | None:
    """Where a key goes, relative to ROOT; None for what is no model, or would leave ROOT."""
    parts = key.split("/")
    if not key.lower().endswith(WEIGHTS) or {"", ".", ".."} & {*parts} or parts[-1].startswith("."):
        return None
    if parts[0] == "models":
        return "/".join(parts[1:]) if len(parts) > 2 else f"checkpoints/{parts[1]}"
    return key


def listed(client: Any, bucket: str) -> list[Remote]:
    """All models and styles of the bucket, small ones first: styles are what people wait for."""
    found: list[Remote] = []
    for prefix in ("models/", "loras/"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                where = place(entry["Key"])
                if where:
                    found.append(Remote(entry["Key"], where, entry["Size"], entry["ETag"].strip('"')))
    return sorted(found, key=lambda one: one.size)


def digest(path: Path, algorithm: str, part_bytes: int | None = None) -> str:
    """Hex digest of a file; with part_bytes, that of its parts' digests, as S3's ETag of a multipart upload."""
    new = partial(hashlib.new, algorithm, usedforsecurity=False)
    whole, parts = new(), b""
    with path.open("rb") as file:
        while block := file.read(part_bytes or 1 << 20):
            whole.update(block)
            if part_bytes:
                parts += new(block).digest()
    return (new(parts) if part_bytes else whole).hexdigest()


def verify(client: Any, bucket: str, remote: Remote, path: Path) -> None:
    """Compare with the SHA-256 that `ops models push` records; for other uploads with the ETag, an MD5 under SSE-S3.

    Raises LeftOut.
    """
    head = client.head_object(Bucket=bucket, Key=remote.key)
    recorded = head["Metadata"].get("sha256")
    md5, _, parts = remote.etag.partition("-")
    if recorded:
        right = digest(path, "sha256") == recorded
    elif parts:
        first = client.head_object(Bucket=bucket, Key=remote.key, PartNumber=1)["ContentLength"]
        right = digest(path, "md5", first) == md5
    else:
        right = digest(path, "md5") == md5
    if not right:
        raise LeftOut("its bytes do not have the checksum recorded in S3; push it again")


def remove_parts(root: Path) -> None:
    """What a sync that was cut off has left: ends here with the power, also boto3's own names for what it downloads."""
    for part in root.rglob(".*.part*"):
        part.unlink(missing_ok=True)


def fetch(client: Any, bucket: str, remote: Remote, target: Path) -> None:
    """One file into its place, which always holds a whole one. Raises LeftOut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name that ComfyUI does not take for a model.
    part = target.with_name(f".{target.name}.part")
    try:
        if shutil.disk_usage(target.parent).free < remote.size + SPARE_BYTES:
            raise LeftOut(
                f"no room for its {remote.size / 1e9:.1f} GB: delete models, or raise mlServer.diskGib"
                " (with an instance store: instanceType)"
            )
        client.download_file(bucket, remote.key, str(part), Config=TRANSFER, Callback=busy)
        verify(client, bucket, remote, part)
        part.chmod(0o644)
        part.replace(target)
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise LeftOut(str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def busy(_count: int = 0) -> None:
    """Say that there is work: the idle stop looks at this file's time."""
    (RUN / "syncing").touch()


class Manifest:
    """ETags of the files that lie here, kept after each file, so that a power cut costs one file at most."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        try:
            self.etags: dict[str, str] = json.loads(path.read_text())
        except (OSError, ValueError):
            self.etags = {}

    def put(self, where: str, etag: str | None) -> None:
        with self._lock:
            if etag is None:
                self.etags.pop(where, None)
            else:
                self.etags[where] = etag
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self.etags, indent=0, sort_keys=True))
            new.replace(self._path)


def changed(remotes: Iterable[Remote], manifest: Manifest, root: Path) -> list[Remote]:
    """What is not here yet, or here with other bytes."""

    def here(one: Remote) -> bool:
        path = root / one.place
        return (
            manifest.etags.get(one.place) == one.etag and path.is_file() and path.stat().st_size == one.size
        )

    return [one for one in remotes if not here(one)]


def remove_gone(remotes: Iterable[Remote], manifest: Manifest, root: Path) -> list[str]:
    """Delete what came from the bucket and is no longer there."""
    gone = sorted(set(manifest.etags) - {one.place for one in remotes})
    for where in gone:
        (root / where).unlink(missing_ok=True)
        manifest.put(where, None)
    return gone


def not_offered(ports: Iterable[str], places: Iterable[str]) -> tuple[list[str], list[str]]:
    """The ports on which a ComfyUI answers, and the files that it does not offer there after some seconds."""
    asked, missing = list[str](), list[str]()
    chosen = sorted(where for where in places if where.startswith(COMFYUI_FOLDERS))
    for port in ports:
        end = time.monotonic() + OFFERED_SECONDS
        while absent := _absent(port, chosen):
            if time.monotonic() > end:
                missing += [f"{where} on port {port}" for where in absent]
                break
            time.sleep(1)
        if absent is not None:
            asked.append(port)
    return asked, missing


def _absent(port: str, chosen: list[str]) -> list[str] | None:
    offered: set[str] = set()
    try:
        for folder in {where.partition("/")[0] for where in chosen}:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/models/{folder}", timeout=10) as answer:
                offered |= {f"{folder}/{name}" for name in json.load(answer)}
    except OSError:
        return None
    return [where for where in chosen if where not in offered]


def sync(client: Any, bucket: str, root: Path, ports: Iterable[str]) -> tuple[str, bool, dict[str, Any]]:
    """Do it; what happened in a line, whether nothing had to be left out, and the record of the styles."""
    at, started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.monotonic()
    remove_parts(root)
    manifest, remotes = Manifest(root / MANIFEST), listed(client, bucket)
    removed, left_out, came = remove_gone(remotes, manifest, root), list[str](), list[Remote]()

    def bring(one: Remote) -> None:
        try:
            fetch(client, bucket, one, root / one.place)
        except LeftOut as why:
            left_out.append(f"{one.key} left out: {why}")
        else:
            manifest.put(one.place, one.etag)
            came.append(one)

    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        list(pool.map(bring, changed(remotes, manifest, root)))
    seconds, size = time.monotonic() - started, sum(one.size for one in came)
    told = [f"{len(remotes) - len(left_out)} models and styles here"]
    if came:
        arrived = f"{len(came)} new, {size / 1e9:.2f} GB at {size / 1e6 / max(seconds, 0.001):.0f} MB/s"
        told.append(arrived)
        # The readiness record tells it, whatever later syncs of this boot have to do.
        (RUN / "arrived.txt").write_text(arrived + "\n")
    # All of them: what came while the servers were not up was not asked for then.
    asked, missing = not_offered(ports, [one.place for one in remotes if one.place in manifest.etags])
    styles = {
        "at": at,
        "listing": fingerprint(remotes),
        "ports": asked,
        "leftOut": sorted(one[:300] for one in left_out if one.startswith("loras/")),
        "notOffered": [one for one in missing if one.startswith("loras/")],
    }
    left_out += [f"ComfyUI does not offer {what}" for what in missing]
    told += [f"{len(removed)} removed"] if removed else []
    return "; ".join([*told, *left_out]), not left_out, styles


def fingerprint(remotes: Iterable[Remote]) -> str:
    """Of the styles in the bucket: `ops loras list` makes the same of what it sees there, and knows what is new."""
    lines = sorted(f"{one.key} {one.etag}\n" for one in remotes if one.key.startswith("loras/"))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def tell(ssm: Any, parameter: str, styles: dict[str, Any]) -> None:
    """Write the record, if it says something new, or nothing was written for long. What does not fit is counted in `more`."""
    while len(text := json.dumps(styles, separators=(",", ":"))) > TOLD_BYTES:
        (styles["leftOut"] or styles["notOffered"]).pop()
        styles["more"] = styles.get("more", 0) + 1
    last, new = RUN / "styles.json", text.partition(",")[2]
    if last.exists() and last.read_text() == new and time.time() - last.stat().st_mtime < TOLD_SECONDS:
        return
    # In a parameter's value, two such brackets would name another parameter.
    ssm.put_parameter(Name=parameter, Type="String", Overwrite=True, Value=text.replace("{{", "{ {"))
    last.write_text(new)


def main() -> int:
    RUN.mkdir(parents=True, exist_ok=True)
    config = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=PARALLEL_FILES * 8)
    session: Any = boto3.session.Session(region_name=os.environ["AWS_REGION"])
    ports = (os.environ["COMFYUI_TEXT_PORT"], os.environ["COMFYUI_SKETCH_PORT"])
    with (RUN / "sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = session.client("s3", config=config)
        told, whole, styles = sync(client, os.environ["BUCKET_NAME"], ROOT, ports)
        (RUN / "models.txt").write_text(told + "\n")
        print(told)
        try:
            tell(session.client("ssm"), os.environ["SD_APP_STYLES_PARAMETER"], styles)
        except (BotoCoreError, ClientError) as error:
            print(f"the record of the styles could not be written: {error}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
