"""Brings the models and styles of the bucket to this machine: in parallel, only what changed, each file whole and with
the right checksum or not at all; then asks ComfyUI whether it offers them.

`models/<folder>/<name>` goes to ComfyUI's <folder> (`models/<name>` to checkpoints), `loras/<name>` to loras. Exits 1
when a file had to be left out; the timer tries it again.
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
from pathlib import Path
from typing import Any, cast

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
    """Where a key goes, relative to ROOT; None for what is no file, or would leave ROOT."""
    parts = key.split("/")
    if not parts[-1] or any(part in ("", ".", "..") for part in parts) or parts[-1].startswith("."):
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
    whole, parts = hashlib.new(algorithm, usedforsecurity=False), list[bytes]()
    with path.open("rb") as file:
        while block := file.read(part_bytes or 1 << 20):
            whole.update(block)
            if part_bytes:
                parts.append(hashlib.new(algorithm, block, usedforsecurity=False).digest())
    return (
        hashlib.new(algorithm, b"".join(parts), usedforsecurity=False).hexdigest()
        if part_bytes
        else whole.hexdigest()
    )


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


def not_offered(ports: Iterable[str], places: Iterable[str]) -> list[str]:
    """Files that a running ComfyUI does not offer, after some seconds; a server that does not run is not asked."""
    missing: list[str] = []
    chosen = sorted(where for where in places if where.startswith(COMFYUI_FOLDERS))
    for port in ports:
        end = time.monotonic() + OFFERED_SECONDS
        while absent := _absent(port, chosen):
            if time.monotonic() > end:
                missing += [f"{where} on port {port}" for where in absent]
                break
            time.sleep(1)
    return missing


def _absent(port: str, chosen: list[str]) -> list[str]:
    offered: set[str] = set()
    try:
        for folder in {where.partition("/")[0] for where in chosen}:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/models/{folder}", timeout=10) as answer:
                offered |= {f"{folder}/{name}" for name in json.load(answer)}
    except OSError:
        return []
    return [where for where in chosen if where not in offered]


def sync(client: Any, bucket: str, root: Path, ports: Iterable[str]) -> tuple[str, bool]:
    """Do it; what happened in a line, and whether nothing had to be left out."""
    started = time.monotonic()
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
    here = [one.place for one in remotes if one.place in manifest.etags]
    left_out += [f"ComfyUI does not offer {what}" for what in not_offered(ports, here)]
    told += [f"{len(removed)} removed"] if removed else []
    return "; ".join([*told, *left_out]), not left_out


def main() -> int:
    RUN.mkdir(parents=True, exist_ok=True)
    config = Config(retries={"mode": "adaptive", "max_attempts": 10}, max_pool_connections=PARALLEL_FILES * 8)
    client = cast(Any, boto3.session.Session(region_name=os.environ["AWS_REGION"])).client(
        "s3", config=config
    )
    ports = (os.environ["COMFYUI_TEXT_PORT"], os.environ["COMFYUI_SKETCH_PORT"])
    with (RUN / "sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told, whole = sync(client, os.environ["BUCKET_NAME"], ROOT, ports)
        (RUN / "models.txt").write_text(told + "\n")
    print(told)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
