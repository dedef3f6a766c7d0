"""What is known of an object's content: the SHA-256 recorded with it, and the one that its bytes have."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from ops.errors import explain, is_refusal
from ops.upload import READ_BYTES, SHA256_KEY, Advance


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an object is whole; `unknown` when nobody recorded what it should be."""

    key: str
    state: Literal["whole", "broken", "unknown"]
    why: str
    sha256: str


def recorded_sha256(head: Any) -> str:
    """SHA-256 in hex from an object's head (asked with ChecksumMode=ENABLED); empty when it has none.

    From the metadata that `ops` writes, else S3's own where that is one of the whole object.
    """
    if recorded := head["Metadata"].get(SHA256_KEY):
        return str(recorded).lower()
    whole = head.get("ChecksumType") != "COMPOSITE" and "-" not in head["ETag"]
    return base64.b64decode(head["ChecksumSHA256"]).hex() if whole and head.get("ChecksumSHA256") else ""


def content_sha256(client: Any, bucket: str, key: str, advance: Advance) -> str:
    """SHA-256 in hex of the object's bytes, read from S3. AwsError when they can't be read."""
    found = hashlib.sha256()
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    for block in body.iter_chunks(READ_BYTES):
        found.update(block)
        advance(len(block))
    return found.hexdigest()


def verdict(client: Any, bucket: str, key: str, recorded: str, advance: Advance) -> Verdict:
    """Read the object and compare. A missing right or a broken line is raised: it says nothing about the object."""
    try:
        found = content_sha256(client, bucket, key, advance)
    except ClientError as error:
        if is_refusal(error):
            raise
        return Verdict(key=key, state="broken", why=f"can't be read: {explain(error)}", sha256="")
    if not recorded:
        return Verdict(key=key, state="unknown", why="no SHA-256 was recorded", sha256=found)
    if found != recorded:
        why = f"its SHA-256 is {found[:12]}…, recorded was {recorded[:12]}…"
        return Verdict(key=key, state="broken", why=why, sha256=found)
    return Verdict(key=key, state="whole", why="", sha256=found)
