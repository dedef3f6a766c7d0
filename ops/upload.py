"""One file into S3: whole, with its SHA-256 recorded and compared, or not at all."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig

from ops.errors import BAD, AwsError, OpsError, explain

SHA256_KEY = "sha256"
"""Object metadata: SHA-256 of the whole file in hex. S3's own SHA-256 of a multipart object is one of its parts'."""
MIB = 1 << 20
PART_BYTES = 16 * MIB
MAX_PARTS = 10_000
"""S3's limit of parts in one upload (docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""
READ_BYTES = MIB

Advance = Callable[[int], None]
"""Told how many bytes more are done."""


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A file's SHA-256, as a whole and as S3 computes it for an upload in parts of `part_bytes`."""

    size: int
    sha256: str
    s3_sha256: str
    part_bytes: int


def digest(path: Path, advance: Advance = lambda count: None, part_bytes: int = PART_BYTES) -> Digest:
    """Read the file once for both sums. Larger parts than `part_bytes` where S3's number of parts asks for it."""
    size = path.stat().st_size
    while size > part_bytes * MAX_PARTS:
        part_bytes *= 2
    whole, parts, done = hashlib.sha256(), list[bytes](), 0
    with path.open("rb") as file:
        part = hashlib.sha256()
        while block := file.read(min(READ_BYTES, part_bytes - done)):
            whole.update(block)
            part.update(block)
            done += len(block)
            if done == part_bytes:
                parts.append(part.digest())
                part, done = hashlib.sha256(), 0
            advance(len(block))
        if done:
            parts.append(part.digest())
    # A file below one part goes up in one piece; a file of just one part already counts as multipart.
    s3 = hashlib.sha256(b"".join(parts)).digest() if size >= part_bytes else whole.digest()
    return Digest(
        size=size, sha256=whole.hexdigest(), s3_sha256=base64.b64encode(s3).decode(), part_bytes=part_bytes
    )


def upload(client: Any, path: Path, bucket: str, key: str, known: Digest, advance: Advance) -> None:
    """Put the file there and see that S3 has the very bytes of `known`.

    Broken off in any way, also by Ctrl-C, nothing stays: s3transfer aborts the parts, and an object with other
    bytes is removed again, so that the version before it is back. Raises OpsError, AwsError.
    """
    config = TransferConfig(
        multipart_threshold=known.part_bytes, multipart_chunksize=known.part_bytes, max_concurrency=8
    )
    extra = {
        "ChecksumAlgorithm": "SHA256",
        "ContentType": "application/octet-stream",
        "Metadata": {SHA256_KEY: known.sha256},
    }
    try:
        client.upload_file(str(path), bucket, key, ExtraArgs=extra, Callback=advance, Config=config)
    except (S3UploadFailedError, *AwsError, OSError) as error:
        raise OpsError(_broken_off(client, path, bucket, key, error), BAD) from error
    _verify(client, path, bucket, key, known)


def _verify(client: Any, path: Path, bucket: str, key: str, known: Digest) -> None:
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    # S3 writes a sum of parts as `<base64>-<parts>`.
    stored = head.get("ChecksumSHA256", "").partition("-")[0]
    if stored == known.s3_sha256 and head["ContentLength"] == known.size:
        return
    client.delete_object(Bucket=bucket, Key=key, **_version(head))
    raise OpsError(
        f"{path}: what arrived in S3 is not what was read before; removed again. Did the file change meanwhile?",
        BAD,
    )


def _version(head: Any) -> dict[str, str]:
    """The version that a HEAD answered with: removing it leaves the one before; none in an unversioned bucket."""
    return {"VersionId": head["VersionId"]} if head.get("VersionId") else {}


def _broken_off(client: Any, path: Path, bucket: str, key: str, error: Exception) -> str:
    """Words for a failed upload, after looking whether S3 still holds parts of it."""
    cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
    told = explain(cause if isinstance(cause, Exception) else error)
    try:
        found = client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
        left = any(entry["Key"] == key for entry in found)
    except AwsError:
        left = True
    rest = (
        "parts may be left; the bucket's life-cycle rule removes them in some days"
        if left
        else "nothing of it is left in S3"
    )
    return f"{path}: the upload broke off ({told}); {rest}. Repeat the command"
